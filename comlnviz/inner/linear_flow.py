"""Gradient flow of the last layer: COMLN's adaptation."""

import diffrax
import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from .. import checks
from ..adjoints import AbstractLinearAdjoint, GramAdjoint
from ..integrator import Integrator, get_solver
from ..solution import Solution
from .fit import check_adjoint
from .span import follow


def linear_flow(
    W0: Float[Array, "N d"],
    features: Float[Array, "M d"],
    labels: Float[Array, "M N"],
    T: Float[Array, ""] | float,
    *,
    proximal: Float[Array, ""] | float = 0.0,
    solver: diffrax.AbstractSolver | str = diffrax.Dopri5(),  # noqa: B008
    rtol: Float[Array, ""] | float | None = 1e-6,
    atol: Float[Array, ""] | float | None = 1e-6,
    dt0: Float[Array, ""] | float | None = None,
    ts: Float[Array, " n"] | None = None,
    max_steps: int = 4096,
    adjoint: AbstractLinearAdjoint = GramAdjoint(),  # noqa: B008
    throw: bool = True,
) -> Solution:
    """Follow dW/dt = −∇L(W) from `W0` for time `T`, L being the mean cross-entropy of a linear
    classifier on embedded examples, plus ½λ‖W − W0‖².

    What is integrated is M·N numbers, whatever d (COMLN, Proposition 1). Differentiable in `W0`,
    `features`, `T` and `proximal` by `adjoint`.

    **Arguments:**

    - `W0`: initial classifier, N classes by d.
    - `features`: embedded support set φ, M examples by d.
    - `labels`: M rows, each a probability vector over N classes: one-hot, or smoothed.
    - `T`: length of the adaptation, > 0, in the unit in which a gradient step of size α lasts α.
    - `proximal`: λ ≥ 0.
    - `solver`: any Diffrax ODE solver, or its name. `Euler` with `dt0=α` is gradient descent, and
      the whole is then ANIL with T/α steps. Implicit ones factor a matrix of the integrated
      numbers at every step: for small problems; beyond a hundred a warning says so.
    - `rtol`, `atol`: tolerances of adaptive steps; `None` for constant steps of `dt0`. Step
      control sees s, not its sensitivities: fifth-order solvers want 1e-7 or less for accurate
      meta-gradients. Steps of explicit solvers also stay where they damp the flow's fastest mode.
    - `dt0`: first step (0.01 unless given), or the constant one.
    - `ts`: times in [0, T] whose W to keep as `Solution.path`.
    - `max_steps`: how many steps at most.
    - `adjoint`: `GramAdjoint()` or `ForwardSensitivity()`.
    - `throw`: raise when the solve fails; otherwise look at `Solution.ok`.

    **Returns** a `Solution`; `params` is W(T).

    **Raises** `ValueError` for arguments out of range, `RuntimeError` for a failed solve.

    Source: COMLN (Deleu et al. 2022), Sections 3 and 4; Proposition 4 for dL/dT.
    """
    check_adjoint(adjoint, AbstractLinearAdjoint, "linear_flow")
    W0 = checks.matrix("W0", W0, "(classes, embedding size)")
    features = checks.matrix("features", features, "(examples, embedding size)")
    labels = checks.matrix("labels", labels, "(examples, classes)")
    checks.same("embedding size", ("W0", W0.shape[1]), ("features", features.shape[1]))
    checks.same("examples", ("features", features.shape[0]), ("labels", labels.shape[0]))
    checks.same("classes", ("W0", W0.shape[0]), ("labels", labels.shape[1]))
    dtype = jnp.result_type(W0, features)
    W0, features, labels = (x.astype(dtype) for x in (W0, features, labels))
    T = checks.time(T, dtype)
    ts, ts_ok = checks.times(ts, T)
    proximal = jnp.asarray(proximal, dtype)
    checks.finite("W0", W0)
    checks.finite("features", features)
    checks.require(
        checks.probability_rows(labels),
        lambda: (
            "labels must have one probability vector a row (one-hot or smoothed); "
            f"they range from {labels.min():.3g} to {labels.max():.3g} and their rows sum to "
            f"{labels.sum(-1).min():.3g} to {labels.sum(-1).max():.3g}."
        ),
    )
    checks.require(
        jnp.isfinite(proximal) & (proximal >= 0),
        lambda: f"proximal must be zero or positive; got {proximal}.",
    )
    integrator = Integrator(get_solver(solver), rtol, atol, dt0, max_steps)
    solution = _solve(W0, features, labels, proximal, T, ts, integrator, adjoint)
    solution = eqx.tree_at(lambda s: s.ok, solution, solution.ok & ts_ok)
    return checks.check_solved(solution, T, "linear_flow", max_steps) if throw else solution


# Compiled here, so that a call outside `jit` does not retrace the solver each time.
@eqx.filter_jit
def _solve(W0, features, labels, proximal, T, ts, integrator, adjoint) -> Solution:
    given = (W0, features, labels, proximal, T)
    run = follow(given, ts=ts, integrator=integrator, adjoint=adjoint)
    path = None if ts is None else run.weights[1:]
    range_ok = jnp.isfinite(T) & (T > 0) & (proximal >= 0) & checks.probability_rows(labels)
    return Solution(run.weights[0], path, run.stats, run.ok & range_ok)
