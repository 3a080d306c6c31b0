"""Gradient flow of any parameters under any loss: A-MAML's adaptation."""

from collections.abc import Callable

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from .. import checks
from ..adjoints import AbstractFlowAdjoint, StoredStates
from ..adjoints.base import descent_field
from ..integrator import Integrator, get_solver
from ..objective import Objective, strong
from ..solution import Solution
from .fit import check_adjoint


def gradient_flow(
    loss: Callable[[PyTree, PyTree], Float[Array, ""]],
    params: PyTree,
    data: PyTree,
    T: Float[Array, ""] | float,
    *,
    solver: diffrax.AbstractSolver | str = diffrax.Dopri5(),  # noqa: B008
    rtol: Float[Array, ""] | float | None = 1e-6,
    atol: Float[Array, ""] | float | None = 1e-6,
    dt0: Float[Array, ""] | float | None = None,
    ts: Float[Array, " n"] | None = None,
    max_steps: int = 4096,
    adjoint: AbstractFlowAdjoint = StoredStates(),  # noqa: B008
    throw: bool = True,
) -> Solution:
    """Follow du/dt = −∇loss(u, data) from `params` for time `T`.

    Differentiable by `adjoint` in `params`, `data`, `T`, and whatever arrays the loss closes over.
    Wrap repeated calls in `jax.jit`: outside it every call traces the loss anew, as in Diffrax.

    **Arguments:**

    - `loss`: (params, data) ↦ one real number.
    - `params`: any pytree, such as an Equinox model; its floating-point arrays are adapted, the
      rest stays.
    - `data`: passed to the loss.
    - `T`: length of the adaptation, > 0; a gradient step of size α lasts α.
    - `solver`, `rtol`, `atol`, `dt0`, `max_steps`: as in `linear_flow`.
    - `ts`: times in [0, T] whose parameters to keep as `Solution.path`.
    - `adjoint`: `StoredStates()`, `Checkpointed()`, `Unrolled()` or `Backsolve()`.
    - `throw`: raise when the solve fails; otherwise look at `Solution.ok`.

    **Returns** a `Solution`; `params` has the structure passed in.

    **Raises** `ValueError` for arguments out of range, `RuntimeError` for a failed solve.

    Source: A-MAML (Li et al. 2023), Section 3.
    """
    check_adjoint(adjoint, AbstractFlowAdjoint, "gradient_flow")
    integrator = Integrator(get_solver(solver), rtol, atol, dt0, max_steps)
    objective, floats, rebuild = adaptable(loss, params, data)
    T = checks.time(T, checks.one_dtype(floats))
    ts, ts_ok = checks.times(ts, T)
    fixed_T = jax.lax.stop_gradient(T)
    # A negative T makes `ok` false below; Diffrax would raise.
    run = adjoint.solve_flow(objective, floats, jnp.maximum(fixed_T, 0), ts, integrator)
    # dL/dT = −⟨∇L_val, ∇L_train⟩: the added term is zero and has the field as its derivative.
    speed = jax.lax.stop_gradient(descent_field(run.final, objective))
    final = jax.tree.map(lambda u, f: u + (T - fixed_T) * f, run.final, speed)
    path = run.path
    path = None if path is None else rebuild(path)
    ok = run.ok & ts_ok & jnp.isfinite(T) & (T > 0)
    solution = Solution(rebuild(final), path, run.stats, ok)
    return checks.check_solved(solution, T, "gradient_flow", max_steps) if throw else solution


def adaptable(
    loss: Callable, params: PyTree, data: PyTree, *, stepwise: bool = False
) -> tuple[Objective, PyTree, Callable[[PyTree], PyTree]]:
    """The objective in the floating-point arrays of `params`, those arrays, and the way back.

    **Raises** `ValueError` when there are none, or when they or the loss are no good.
    """
    floats, fixed = eqx.partition(params, eqx.is_inexact_array)
    if not jax.tree.leaves(floats):
        raise ValueError(
            "params hold no floating-point array to adapt: pass arrays (jnp.asarray), "
            f"got {type(params).__name__}."
        )
    checks.finite("params", floats)
    floats = strong(floats)
    rebuild = lambda floats: eqx.combine(floats, fixed)
    on_floats = lambda u, *rest: loss(rebuild(u), *rest)
    objective = Objective.of(on_floats, floats, data, stepwise=stepwise)
    return objective, floats, rebuild
