"""A gradient flow forward, then back: what BackwardInstability shows."""

from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from ..curvature import largest_curvature
from ..inner import gradient_flow
from ..integrator import get_solver
from .kept import kept
from .landscapes import Landscape, landscape
from .precision import in_float64

PROBLEMS = ("quadratic", "logistic regression", "few-shot digits")
POINTS = 161  # times at which both paths are seen
MAX_STEPS = 2000
_CURVATURES = 33  # points of the path at which the curvature is computed


class Record(eqx.Module):
    """Both paths in the plane, at the same times, and how far apart they are."""

    t: Float[Array, " n"]
    forward_xy: Float[Array, "n 2"]
    backward_xy: Float[Array, "n 2"]
    distance: Float[Array, " n"]
    predicted: Float[Array, " n"]
    largest_curvature: Float[Array, ""]
    travelled: Float[Array, ""]
    forward_ok: Bool[Array, ""]
    backward_ok: Bool[Array, ""]
    forward_end: Float[Array, ""]
    backward_end: Float[Array, ""]
    forward_steps: Array
    backward_steps: Array


@in_float64
def study(
    *,
    problem: str,
    T: float,
    solver: str,
    tolerance: float,
    step: float,
    dtype: str,
    condition: float = 10.0,
    shots: int = 5,
    seed: int = 0,
) -> Record:
    """Follow the flow from the landscape's start to T, then re-integrate it from W(T) back to 0.

    **Arguments:**

    - `problem`: one of `PROBLEMS`; `condition`, `shots`, `seed` as in `landscapes.landscape`.
    - `solver`: a Diffrax solver's name; adaptive ones follow `tolerance` (relative and absolute),
      Euler takes steps of `step`. The same for both directions.
    - `dtype`: `"float32"` or `"float64"`.

    Source: COMLN (Deleu et al. 2022), Section 3.2 and Figure 2.
    """
    land, _ = landscape(problem, condition=condition, shots=shots, seed=seed)
    # By NumPy: as JAX arrays each would be a computation of its own.
    land = jax.tree.map(lambda x: np.asarray(x, dtype), land)
    traced: Any = tuple(np.asarray(x, dtype) for x in (T, tolerance, step))
    return _compute(land, traced, get_solver(solver))


@kept
def _compute(land: Landscape, traced: tuple[Array, ...], solver: diffrax.AbstractSolver) -> Record:
    T, tolerance, step = traced
    adaptive = isinstance(solver, diffrax.AbstractAdaptiveSolver)
    settings: dict[str, Any] = dict(
        solver=solver,
        rtol=tolerance,
        atol=tolerance,
        dt0=None if adaptive else step,
        max_steps=MAX_STEPS,
        throw=False,
    )
    start = land.embed(land.start)
    t = T * jnp.linspace(0, 1, POINTS, dtype=T.dtype)
    forward = gradient_flow(land.loss, start, land.data, T, ts=t, **settings)
    # Back in time is up the loss: the flow of −L from W(T).
    uphill = lambda params, data: -land.loss(params, data)
    backward = gradient_flow(uphill, forward.params, land.data, T, ts=t, **settings)
    there, back = forward.path, backward.path
    assert there is not None and back is not None
    back = back[::-1]
    norm = lambda x: jnp.sqrt(jnp.sum(x**2, axis=tuple(range(1, x.ndim))))
    distance = norm(back - there)
    curvature = _curvature_along(land, there)
    # A perturbation of W(T) grows at most by exp ∫μ on the way back; it starts at the tolerance.
    remaining = _integral_to_end(t, curvature)
    grain = jnp.maximum(tolerance, jnp.finfo(T.dtype).eps) * norm(there)[-1]
    origin = grain if adaptive else jnp.maximum(distance[-2], grain)
    return Record(
        t=t,
        forward_xy=land.project(there),
        backward_xy=land.project(back),
        distance=distance,
        predicted=origin * jnp.exp(remaining),
        largest_curvature=jnp.max(curvature),
        travelled=jnp.linalg.norm((there[-1] - start).ravel()),
        forward_ok=forward.ok,
        backward_ok=backward.ok,
        forward_end=forward.stats["final_time"],
        backward_end=T - backward.stats["final_time"],
        forward_steps=forward.stats["num_steps"],
        backward_steps=backward.stats["num_steps"],
    )


def _curvature_along(land: Landscape, path: Array) -> Float[Array, " n"]:
    """The largest eigenvalue of the Hessian at some points of the path, interpolated to all."""
    some = jnp.linspace(0, POINTS - 1, _CURVATURES).round().astype(int)
    values = jax.vmap(lambda params: _largest_curvature(land, params))(path[some])
    return jnp.interp(jnp.arange(POINTS), some, values).astype(path.dtype)


def _largest_curvature(land: Landscape, params: Array) -> Array:
    """By power iteration; for the convex losses here the largest eigenvalue is the dominant one."""
    _, along = jax.linearize(jax.grad(land.at), params)
    return largest_curvature(along, params, iterations=17)[1]


def _integral_to_end(t: Array, values: Array) -> Array:
    """∫ from each time to the last, by the trapezoidal rule."""
    pieces = jnp.diff(t) * (values[1:] + values[:-1]) / 2
    return jnp.concatenate([jnp.cumsum(pieces[::-1])[::-1], jnp.zeros(1, t.dtype)])
