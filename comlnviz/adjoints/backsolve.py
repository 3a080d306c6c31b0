"""The adjoint method of neural ODEs: re-solve the state backward, beside the costate."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp

from .base import AbstractFlowAdjoint, descent_field, materialise, record_only


class Backsolve(AbstractFlowAdjoint):
    """Store nothing; integrate state and costate together from T back to 0.

    Constant memory, and **unstable on gradient flows**: going back in time climbs the loss, so
    the recomputed state leaves the true path as e^{μt} for the largest curvature μ. Offered
    because seeing it fail is the point of the book's second chapter. A backward solve that runs
    out of steps or overflows gives NaN rather than a wrong gradient. (Diffrax's
    `BacksolveAdjoint`, to which this is equal where both succeed, does not say so without
    raising.)

    Memory: two copies of the parameters, independent of T.

    Source: Chen et al. 2018, as discussed in COMLN (Deleu et al. 2022), Section 3.2.
    """

    def solve_flow(self, objective, params, T, ts, integrator):
        """See `AbstractFlowAdjoint`."""
        run = _solve((params, objective), T=T, ts=ts, integrator=integrator)
        states = record_only(run.states, "Backsolve()")
        return eqx.tree_at(lambda r: r.states, run, states, is_leaf=lambda x: x is None)


@eqx.filter_custom_vjp
def _solve(params_objective, *, T, ts, integrator):
    params, objective = params_objective
    return integrator.solve(
        descent_field, params, objective, T, ts, diffrax.RecursiveCheckpointAdjoint()
    )


@_solve.def_fwd
def _forward(perturbed, params_objective, *, T, ts, integrator):
    run = _solve(params_objective, T=T, ts=ts, integrator=integrator)
    return run, run.final


@_solve.def_bwd
def _backward(final, cotangent, perturbed, params_objective, *, T, ts, integrator):
    _, objective = params_objective
    shares = jax.tree.map(jnp.zeros_like, eqx.filter(objective, eqx.is_inexact_array))

    def reversed_field(state, objective):
        """In the time that remains, T − t: up the loss, and the costate along."""
        u, costate, _ = state
        Hc, Jc = objective.curvature(u, costate)
        return objective.gradient(u), *jax.tree.map(jnp.negative, (Hc, Jc))

    start = (final, materialise(cotangent.final, final), shares)
    adjoint = diffrax.RecursiveCheckpointAdjoint()
    run = integrator.solve(reversed_field, start, objective, T, None, adjoint)
    _, costate, shares = jax.tree.map(lambda x: jnp.where(run.ok, x, jnp.nan), run.final)
    return costate, shares
