"""A-MAML, Table 4: the error of a meta-gradient that is known, against the states that are kept."""

import functools
import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..adjoints import Checkpointed, StoredStates
from ..inner import gradient_flow
from ..training.evaluate import ci95
from .experiment import Experiment, Preset
from .findings import Cells, Finding, is_so

STATES = (10, 20, 50, 100, 200, 500, 1000)
TIMES = (0.1, 0.5, 1.0, 2.0)
STARTS = 20
ROUNDING = 5e-6  # below that an error in single precision says nothing
SCHEMES = {
    "Autodiff": lambda n, T: dict(
        solver="heun", rtol=None, atol=None, dt0=T / n, max_steps=n + 2, adjoint=Checkpointed()
    ),
    "Adjoint": lambda n, T: dict(adjoint=StoredStates(n + 1)),
    "Adjoint of order 4": lambda n, T: dict(adjoint=StoredStates(n + 1, order=4)),
}
PROTOCOL = {
    "problem": "dy/dt = -2t^3 - 2ty with loss (y(T) - 3)^6; the paper prints x for t",
    "starts": f"{STARTS}, standard normal; the paper says random",
    "states": "n states stand for n spacings of T/n",
    "autodiff": "Heun's method, which is modified Euler, with n steps",
    "adjoint": "forward by Dopri5, rtol = atol = 1e-6; backward by modified Euler, and, which is "
    "not in the paper, by the classical Runge-Kutta method over the same states",
    "precision": "float32, as the floor of the published errors suggests",
}


def potential(state: tuple[Array, Array], data: None) -> Float[Array, ""]:
    """The loss whose gradient flow is the equation; the state is y, and a clock that starts at 0.

    The clock is nobody's to differentiate by: it enters as a number that is known.
    """
    y, clock = state
    t = jax.lax.stop_gradient(clock)
    return 2 * t**3 * y + t * y**2 - clock


def exact(y0: Float[Array, "*B"], T: Float[Array, "*B"]) -> Float[Array, "*B"]:
    """The meta-gradient, equation 14."""
    y = 1 - T**2 + (y0 - 1) * jnp.exp(-(T**2))
    return 6 * (y - 3) ** 5 * jnp.exp(-(T**2))


@functools.cache
def errors(scheme: str, n: int) -> Float[np.ndarray, "times starts"]:
    """Relative errors at all times from all starts, in single precision."""
    with jax.enable_x64(False):

        def loss(y0, T):
            start = (y0, jnp.zeros_like(y0))
            settings = SCHEMES[scheme](n, T)
            end = gradient_flow(potential, start, None, T, throw=False, **settings)
            return (jnp.where(end.ok, end.params[0], jnp.nan) - 3) ** 6

        starts, times = jax.random.normal(jax.random.key(0), (STARTS,)), jnp.array(TIMES)
        gradient = jax.vmap(jax.vmap(jax.grad(loss), (0, None)), (None, 0))
        found = np.asarray(jax.jit(gradient)(starts, times), np.float64)
    with jax.enable_x64(True):
        y0, T = (jnp.asarray(np.asarray(x), float) for x in (starts[None, :], times[:, None]))
        wanted = np.asarray(exact(*jnp.broadcast_arrays(y0, T)))
    return np.abs(found / wanted - 1)


def numbers(values: Float[np.ndarray, " n"]) -> dict[str, float]:
    """Mean, half its 95% interval, and the deviation, which is what the paper prints."""
    found = dict(mean=np.mean(values), ci95=ci95(values), std=np.std(values, ddof=1))
    return {name: float(f"{value:.4g}") for name, value in found.items()}


def preset() -> Preset:
    """Every scheme with every number of states, to every time."""
    compute = lambda scheme, n, i, scratch: numbers(errors(scheme, n)[i])
    cells = {
        f"{scheme}, {n} states, T = {T:g}": partial(compute, scheme, n, i)
        for scheme in SCHEMES
        for n in STATES
        for i, T in enumerate(TIMES)
    }
    return Preset((), "two minutes on 2 cores", PROTOCOL, cells)


def judge(cells: Cells) -> tuple[Finding, ...]:
    """Adjoint against autodiff, and against itself with fewer states."""
    mean = lambda scheme, n, T: cells[f"{scheme}, {n} states, T = {T:g}"]["mean"]
    try:
        pairs = [
            (f"{n} states, T = {T:g}", mean("Adjoint", n, T), mean("Autodiff", n, T))
            for n in STATES
            for T in TIMES
        ]
        rises = [
            (f"from {n} to {m} at T = {T:g}", mean("Adjoint", m, T), mean("Adjoint", n, T))
            for n, m in itertools.pairwise(STATES)
            for T in TIMES
        ]
    except KeyError:
        return ()
    worse = [(w, a, b) for w, a, b in pairs if a > max(2 * b, ROUNDING)]
    rises = [(w, a, b) for w, a, b in rises if a > max(b, ROUNDING)]
    listed = lambda found: "; ".join(f"{w}: {a:.2g} against {b:.2g}" for w, a, b in found)
    better = sum(a <= b for _, a, b in pairs)
    return (
        is_so(
            "The adjoint's error is smaller than autodiff's or comparable.",
            not worse,
            listed(worse)
            or f"smaller in {better} of {len(pairs)} cases, else below twice it or rounding",
        ),
        is_so(
            "More states always give a smaller error.",
            not rises,
            listed(rises) or f"down to {ROUNDING:g}, where single precision ends",
        ),
    )


EXPERIMENT = Experiment(
    "amaml-table-4",
    "The error of the meta-gradient against the number of stored states, in closed form",
    "Stored states and a backward modified Euler are as accurate as autodiff through a forward "
    "one, and more so the more states there are.",
    {"classroom": preset, "paper": preset},
    judge,
    form=".2e",
    lower_is_better=True,
)
