"""A flow's states are stored, the costate follows them back: what AdjointTradeoff shows."""

import functools
from collections.abc import Callable
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, PyTree

from ..adjoints.base import descent_field
from ..adjoints.stored_states import SCHEMES
from ..integrator import Integrator
from ..models import MLP, AbstractNetwork, Classifier, Labelled, SquaredError
from ..objective import Objective
from ..papers.amaml_table_4 import exact, potential
from ..tasks import CosMixture
from .kept import kept
from .listed import one_of
from .precision import in_float64

PROBLEMS = ("closed form", "CosMixture")
_ORDERS = {"modified Euler": 2, "order 4": 4}
METHODS = (*_ORDERS, "back-solving")
STATES = (2, 4, 6, 10, 14, 20, 30, 50, 70, 100, 140, 200)  # spacings; even, as order 4 needs
TOLERANCE = {"float32": 1e-6, "float64": 1e-9}  # as in Table 4, and in Table 5
MAX_STEPS = 1000  # forward
MAX_BACK = 200  # steps of back-solving
_FINE = 400  # spacings of the reference, and room for any number of states


class Problem(eqx.Module):
    """A flow down `loss(u, data)` from `start`, and the loss `outer(u(T), query)` at its end."""

    start: Float[Array | np.ndarray, " p"]
    data: PyTree
    query: PyTree
    loss: Callable[..., Float[Array, ""]] = eqx.field(static=True)
    outer: Callable[..., Float[Array, ""]] = eqx.field(static=True)


class Reference(eqx.Module):
    """What is right, at equally spaced times from 0 to T.

    **Fields:**

    - `state`: y(t); or, of many parameters, the share of u(T) − u(0) that u(t) has come along it.
    - `costate`: its share along the meta-gradient g, ⟨costate(t), g⟩ / ‖g‖²: 1 at t = 0.
    - `gradient`: g, the costate at t = 0.
    - `start`, `way`: where a state is measured from, and by its product with what.
    """

    state: Float[np.ndarray, " m"]
    costate: Float[np.ndarray, " m"]
    gradient: Float[np.ndarray, " p"]
    start: Float[np.ndarray, " p"]
    way: Float[np.ndarray, " p"]


class Record(eqx.Module):
    """One way back.

    **Fields:**

    - `share`: t/T of the stored states; for back-solving of equally spaced times.
    - `state`, `costate`: there, as in `Reference`, of the states stored or solved anew; NaN where
      the way back does not halt or come to.
    - `gradient`: the costate at t = 0. `error`: its distance from the reference, relative.
    - `backward_end`: the t to which the way back came.
    """

    reference: Reference
    share: Float[np.ndarray, " n"]
    state: Float[np.ndarray, " n"]
    costate: Float[np.ndarray, " n"]
    gradient: Float[np.ndarray, " p"]
    error: float
    forward_ok: bool
    backward_ok: bool
    forward_steps: int
    backward_steps: int
    backward_end: float


@in_float64
def study(
    *, problem: str, T: float, num_states: int, method: str, dtype: str, seed: int = 0
) -> Record:
    """Take a meta-gradient back from T, and compare it with what is right.

    **Arguments:**

    - `problem`: `"closed form"`, y' = −2t³ − 2ty with the loss (y(T) − 3)⁶; or `"CosMixture"`, a
      network of two layers of 32 tanh under A-MAML's flow, 100shot-100val.
    - `T`: length of the flow.
    - `num_states`: n, for n spacings of T/n; one of `STATES`. Back-solving stores none.
    - `method`: one of `METHODS`.
    - `dtype`: `"float32"`, forward to 1e-6; or `"float64"`, to 1e-9.
    - `seed`: which start, and which task.

    **Raises** `ValueError` for settings that are not listed, `RuntimeError` when the way forward
    cannot be followed.

    Source: A-MAML (Li et al. 2023), Section 3, Algorithm 2; Appendix A; Tables 4 and 5.
    """
    one_of("problem", problem, PROBLEMS)
    one_of("num_states", num_states, STATES)
    one_of("method", method, METHODS)
    one_of("dtype", dtype, TOLERANCE)
    if not T > 0:
        raise ValueError(f"T must be positive; got {T}.")
    reference = _reference(problem, T, seed)
    task: Problem = jax.tree.map(lambda x: np.asarray(x, dtype), _problem(problem, seed))
    # By NumPy: as JAX arrays each would be a computation of its own.
    end: Any = np.asarray(T, dtype)
    tolerance: Any = np.asarray(TOLERANCE[dtype], dtype)
    n: Any = np.asarray(_FINE if method == "back-solving" else num_states)
    share: Any = _places(int(n))
    forward = _forward(task, end, tolerance, share)
    if method == "back-solving":
        back = _solve_back(task, forward[0][-1], end, tolerance, share)
    else:
        back = _follow_back(task, forward[0], end, n, _ORDERS[method])
    (_, ok, steps), (states, costates, *how) = jax.device_get((forward, back))
    there = slice(int(n) + 1)
    return _record(reference, (share[there], states[there], costates[there]), ok, steps, *how)


def _record(reference, found, forward_ok, forward_steps, ok, steps, end) -> Record:
    share, states, costates = found
    gradient = costates[0].astype(float) if ok else np.full(len(costates[0]), np.nan)
    difference = (gradient - reference.gradient) / np.linalg.norm(reference.gradient)
    return Record(
        reference=reference,
        share=share,
        state=(states - reference.start) @ reference.way,
        costate=_along(costates, reference.gradient),
        gradient=gradient,
        error=float(np.linalg.norm(difference)),
        forward_ok=bool(forward_ok),
        backward_ok=bool(ok),
        forward_steps=int(forward_steps),
        backward_steps=int(steps),
        backward_end=float(end),
    )


def _along(costates: Float[np.ndarray, "n p"], gradient: Float[np.ndarray, " p"]) -> np.ndarray:
    length = np.linalg.norm(gradient)
    return costates @ (gradient / length) / length


def _places(n: int) -> Float[np.ndarray, " m"]:
    """t/T of n + 1 states; the room that is left lies at the end."""
    return np.minimum(np.arange(_FINE + 1) / n, 1.0)


def sweep(**settings: Any) -> Float[np.ndarray, " n"]:
    """The error with each number of `STATES`; settings as of `study`, without `num_states`."""
    return np.array([study(num_states=n, **settings).error for n in STATES])


# ---------------------------------------------------------------------- the problems
@functools.lru_cache(maxsize=16)
def _problem(problem: str, seed: int) -> Problem:
    key = jax.random.key(seed)
    if problem == "closed form":
        start = np.array([jax.random.normal(key, ()), 0.0])  # y, and a clock
        return Problem(start, None, None, _potential, _sixth_power)
    network = _network(jax.random.fold_in(key, 1))
    task = CosMixture(100, 100, standardized=True).sample(key)
    start, support, query = jax.device_get((ravel_pytree(network)[0], task.support, task.query))
    return Problem(start, support, query, _misfit, _misfit)


def _potential(u: Float[Array, "2"], data: None) -> Float[Array, ""]:
    return potential((u[0], u[1]), data)


def _sixth_power(u: Float[Array, "2"], data: None) -> Float[Array, ""]:
    return (u[0] - 3) ** 6


def _network(key: PRNGKeyArray) -> AbstractNetwork:
    return Classifier(MLP(2, (32, 32), jnp.tanh), 1, SquaredError()).init(key)


@functools.cache
def _unravel() -> Callable[[Array], AbstractNetwork]:
    with jax.ensure_compile_time_eval():
        return ravel_pytree(_network(jax.random.key(0)))[1]


def _misfit(u: Float[Array, " p"], data: Labelled) -> Float[Array, ""]:
    return SquaredError()(_unravel()(u), data)


# ---------------------------------------------------------------------- what is right
@functools.lru_cache(maxsize=64)
def _reference(problem: str, T: float, seed: int) -> Reference:
    task, share = _problem(problem, seed), _places(_FINE)
    if problem == "closed form":
        y0, t = task.start[0], T * share
        y = 1 - t**2 + (y0 - 1) * np.exp(-(t**2))
        gradient = np.array([float(exact(*map(jnp.asarray, (y0, T)))), 0.0])
        return Reference(y, np.exp(t**2), gradient, np.zeros(2), np.array([1.0, 0.0]))
    # By the fourth order, at least twice as fine as what is compared with it. The tolerance is for
    # the states between the solver's steps: interpolated, they are less exact than those it steps.
    numbers: Any = tuple(map(np.asarray, (T, 1e-12, share, _FINE)))
    path, ok, _ = _forward(task, *numbers[:3])
    path, costates, *_ = jax.device_get(_follow_back(task, path, numbers[0], numbers[3], 4))
    if not ok:
        raise RuntimeError(f"The flow cannot be followed to T = {T:.3g} in {MAX_STEPS} steps.")
    way = path[-1] - path[0]
    way = way / (way @ way)
    known = np.isfinite(costates[:, 0])
    along = np.interp(share, share[known], _along(costates[known], costates[0]))
    return Reference((path - path[0]) @ way, along, costates[0], path[0], way)


# ---------------------------------------------------------------------- there and back
@kept
def _forward(
    problem: Problem, T: Float[Array, ""], tolerance: Float[Array, ""], share: Float[Array, " m"]
) -> tuple[Float[Array, "m p"], Bool[Array, ""], Int[Array, ""]]:
    """The states at shares of T."""
    integrator = Integrator(diffrax.Dopri5(), tolerance, tolerance, None, MAX_STEPS)
    ts = T * share.astype(T.dtype)
    run = integrator.solve(
        descent_field, problem.start, _objective(problem), T, ts, diffrax.ForwardMode()
    )
    assert run.path is not None
    return run.path, run.ok, run.stats["num_steps"]


def _objective(problem: Problem) -> Objective:
    return Objective.of(problem.loss, problem.start, problem.data)


@kept
def _follow_back(
    problem: Problem,
    states: Float[Array, "m p"],
    T: Float[Array, ""],
    n: Int[Array, ""],
    order: int,
) -> tuple:
    """Over n + 1 stored states, with NaN where the costate does not halt.

    As the paper has it, a step a spacing, where `StoredStates(n + 1, order)` would divide one that
    is too long for stability. n is traced: nothing compiles when it changes.
    """
    objective, spacings = _objective(problem), order // 2
    slope = lambda state, costate: objective.curvature(state, costate)[0]

    def back(step, carry):
        costate, found = carry
        later = n - step * spacings
        step_states = [states[later - i] for i in range(spacings + 1)]
        h = (spacings * T / n).astype(T.dtype)
        costate = SCHEMES[order](slope, costate, step_states, h)
        return costate, found.at[later - spacings].set(costate)

    at_end = jax.grad(problem.outer)(states[n], problem.query)
    found = jnp.full_like(states, jnp.nan).at[n].set(at_end)
    steps = n // spacings
    _, costates = jax.lax.fori_loop(0, steps, back, (at_end, found))
    ok = jnp.all(jnp.isfinite(costates[0]))
    return states, costates, ok, steps, jnp.zeros_like(T)


@kept
def _solve_back(
    problem: Problem,
    u: Float[Array, " p"],
    T: Float[Array, ""],
    tolerance: Float[Array, ""],
    share: Float[Array, " m"],
) -> tuple:
    """From u(T) alone, the state solved anew beside the costate, as `Backsolve` has it."""

    def reversed_field(pair, objective):
        """In the time that remains, T − t: up the loss, and the costate along."""
        u, costate = pair
        return objective.gradient(u), -objective.curvature(u, costate)[0]

    pair = u, jax.grad(problem.outer)(u, problem.query)
    integrator = Integrator(diffrax.Dopri5(), tolerance, tolerance, None, MAX_BACK)
    ts = T * share.astype(T.dtype)
    run = integrator.solve(reversed_field, pair, _objective(problem), T, ts, diffrax.ForwardMode())
    assert run.path is not None
    states, costates = (x[::-1] for x in run.path)
    return states, costates, run.ok, run.stats["num_steps"], T - run.stats["final_time"]
