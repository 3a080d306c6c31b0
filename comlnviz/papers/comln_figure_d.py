"""COMLN, Appendix D, as a picture: what becomes of a small error, forward and backward."""

from functools import partial
from pathlib import Path
from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..data import load
from ..models import cross_entropy
from ..tasks import FewShot
from .experiment import Experiment, Preset
from .findings import Cells, Finding, is_so

T, ERROR, SEEDS, POINTS = 30.0, 1e-6, 5, 61
PROTOCOL = {
    "problem": "a linear head on the pixels of a 3-way 5-shot task of digits, d = 64, from W0 = 0",
    "state": "W, and S = dW/dW0 by forward sensitivity; backward, W and the adjoint",
    "T": T,
    "error": ERROR,
    "seeds": SEEDS,
    "solver": "Dopri5, rtol = atol = 1e-12, float64",
}


def _flow(W: Array, data: tuple[Array, Array]) -> Array:
    return -jax.grad(cross_entropy)(W, data)


def _forward(t: Any, state: tuple[Array, Array], data: Any) -> tuple[Array, Array]:
    """The forward sensitivity equations (18): S has its column index first."""
    W, S = state
    column = lambda s: jax.jvp(lambda w: _flow(w, data), (W,), (s,))[1]
    return _flow(W, data), jax.vmap(column)(S)


def _backward(t: Any, state: tuple[Array, Array], data: Any) -> tuple[Array, Array]:
    """The adjoint method's equations (8), with time running backward."""
    W, costate = state
    velocity, pull = jax.vjp(lambda w: _flow(w, data), W)
    return -velocity, pull(costate)[0]


def _solve(field: Any, state: Any, data: Any, ts: Float[Array, " n"]) -> Any:
    return diffrax.diffeqsolve(
        diffrax.ODETerm(field), diffrax.Dopri5(), 0.0, T, None, state, data,
        saveat=diffrax.SaveAt(ts=ts), max_steps=100_000, throw=False,
        stepsize_controller=diffrax.PIDController(rtol=1e-12, atol=1e-12),
    ).ys  # fmt: skip


def _compute(direction: str, scratch: Path) -> dict[str, Any]:
    """Distances of perturbed from unperturbed trajectories, in units of the perturbation."""
    with jax.enable_x64(True):
        tasks = FewShot(load("digits"), 3, 5, 1)
        images, labels = tasks.sample(jax.random.key(0)).support
        data = (images.reshape(15, 64), labels)
        W0 = jnp.zeros((3, 64))
        ts = jnp.linspace(0.0, T, POINTS)
        sensitivity = jnp.eye(W0.size).reshape(-1, *W0.shape)
        forward = jax.jit(partial(_solve, _forward))
        W, S = forward((W0, sensitivity), data, ts)
        if direction == "forward":
            start, solve, reference = (W0, sensitivity), forward, (W, S)
        else:
            costate = jax.grad(cross_entropy)(W[-1], data)
            solve = jax.jit(partial(_solve, _backward))
            start, reference = (W[-1], costate), (W[::-1],)
        distances = []
        for key in jax.random.split(jax.random.key(1), SEEDS):
            noise = [
                jax.random.normal(k, x.shape)
                for k, x in zip(jax.random.split(key), start, strict=True)
            ]
            scale = ERROR / jnp.sqrt(sum(jnp.sum(n**2) for n in noise))
            moved = solve(tuple(x + scale * n for x, n in zip(start, noise, strict=True)), data, ts)
            square = lambda a, b: jnp.sum((a - b) ** 2, axis=tuple(range(1, a.ndim)))
            # Of the adjoint's state W alone is known to be wrong: S has no reference backward.
            total = sum(square(a, b) for a, b in zip(moved, reference, strict=False))
            distances.append(np.asarray(jnp.sqrt(total)) / ERROR)
    rows = [[float(f"{x:.4g}") if np.isfinite(x) else None for x in row] for row in distances]
    return {"t": [float(t) for t in np.linspace(0.0, T, POINTS)], "growth": rows}


def preset() -> Preset:
    """Errors forward, and backward."""
    cells = {name: partial(_compute, name) for name in ("forward", "backward")}
    return Preset(("digits",), "a few seconds", PROTOCOL, cells)


def judge(cells: Cells) -> tuple[Finding, ...]:
    """The largest distance ever, in units of the perturbation; bounded means within twice."""
    largest = {
        name: max(float("inf") if x is None else x for row in cell["growth"] for x in row)
        for name, cell in cells.items()
        if "growth" in cell
    }
    claims = {
        "forward": ("Forward, perturbed trajectories stay near.", lambda x: x <= 2),
        "backward": ("Backward, they leave the true one.", lambda x: x > 2),
    }
    why = "at its largest the distance is {:.3g} times the perturbation"
    return tuple(
        is_so(claim, holds(largest[name]), why.format(largest[name]))
        for name, (claim, holds) in claims.items()
        if name in largest
    )


EXPERIMENT = Experiment(
    "comln-figure-D",
    "Appendix D: a small error in (W, S) forward, and in the adjoint's W backward",
    "Forward, perturbed trajectories stay close (Corollary 1); backward, they leave the true one.",
    {"classroom": preset, "paper": preset},
    judge,
)
