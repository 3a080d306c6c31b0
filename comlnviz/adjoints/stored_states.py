"""Keep the states of the forward pass; take the costate back over them."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp

from ..objective import strong
from .base import (
    AbstractDescentAdjoint,
    AbstractFlowAdjoint,
    descent_field,
    materialise,
    record_only,
    with_start,
)


class StoredStates(AbstractFlowAdjoint, AbstractDescentAdjoint):
    """Store states on the way forward, follow the costate back over them. Never re-solve.

    *A flow* keeps `num_states` equally spaced states and steps the costate,
    d(costate)/dt = +∇²L(u)·costate from T to 0, by a Runge–Kutta method whose stages lie at stored
    states: of second `order` in the spacing T/(num_states − 1), modified Euler between neighbours;
    of fourth, the classical method over two spacings, at the same cost. *Descent* keeps the
    parameters of every step and is exact, for stateless optimizers such as plain SGD.

    Memory: one copy of the parameters a stored state. Time: two Hessian-vector products a state.

    **Arguments:**

    - `num_states`: how many states a flow keeps, both ends included; at least 2.
    - `order`: of the backward steps, 2 or 4; 4 needs an odd number of states.

    Source: A-MAML (Li et al. 2023), Section 3, Algorithm 2, where H stands for −∇²L; the fourth
    order is not in the paper.
    """

    num_states: int = eqx.field(default=100, static=True)
    order: int = eqx.field(default=2, static=True)

    def __check_init__(self):
        if self.num_states < 2:
            raise ValueError(f"num_states must be at least 2, both ends; got {self.num_states}.")
        if self.order not in _SCHEMES:
            raise ValueError(f"order must be 2 or 4; got {self.order}.")
        if self.order == 4 and self.num_states % 2 == 0:
            raise ValueError(f"num_states must be odd for order 4; got {self.num_states}.")

    def solve_flow(self, objective, params, T, ts, integrator):
        """See `AbstractFlowAdjoint`."""
        run = _flow((params, objective), T=T, ts=ts, integrator=integrator, adjoint=self)
        path = record_only(run.path, "StoredStates() on a flow")
        return eqx.tree_at(lambda r: r.path, run, path, is_leaf=lambda x: x is None)

    def descend(self, objective, params, num_steps, optimizer, path):
        """See `AbstractDescentAdjoint`."""
        state = optimizer.init(params)
        if jax.tree.leaves(state):
            raise ValueError(
                "StoredStates() goes back through stateless optimizers such as plain SGD; "
                "this one carries a state (momentum, moments or a step count): use Unrolled()."
            )
        update = lambda grads, u: optimizer.update(grads, state, u)[0]
        update = strong(eqx.filter_closure_convert(update, params, params))
        final, states = _descend((params, objective, update), num_steps=num_steps)
        return final, with_start(params, states) if path else None


def _store(params_objective, T, ts, integrator):
    params, objective = params_objective
    return integrator.solve(
        descent_field, params, objective, T, ts, diffrax.RecursiveCheckpointAdjoint()
    )


@eqx.filter_custom_vjp
def _flow(params_objective, *, T, ts, integrator, adjoint):
    return _store(params_objective, T, ts, integrator)


@_flow.def_fwd
def _flow_forward(perturbed, params_objective, *, T, ts, integrator, adjoint):
    grid = T * jnp.linspace(0, 1, adjoint.num_states, dtype=T.dtype)
    stored = _store(params_objective, T, grid, integrator)
    if ts is None:
        return eqx.tree_at(lambda r: r.path, stored, None), stored.path
    return _store(params_objective, T, ts, integrator), stored.path


@_flow.def_bwd
def _flow_backward(states, cotangent, perturbed, params_objective, *, T, ts, integrator, adjoint):
    _, objective = params_objective
    spacings = adjoint.order // 2  # a step goes over one, or over two
    h = spacings * T / (adjoint.num_states - 1)
    at_T = jax.tree.map(lambda x: x[-1], states)
    costate = materialise(cotangent.final, at_T)
    shares = jax.tree.map(jnp.zeros_like, eqx.filter(objective, eqx.is_inexact_array))

    def back(y, states):
        """From one time to an earlier, for the costate and what the objective receives."""
        slope = lambda state, y: objective.curvature(state, y[0])
        return _SCHEMES[adjoint.order](slope, y, states, h), None

    # The states of a step, later ones first.
    count = adjoint.num_states - spacings
    at = lambda i: jax.tree.map(lambda x: x[i : i + count : spacings], states)
    steps = tuple(at(i) for i in reversed(range(spacings + 1)))
    (costate, shares), _ = jax.lax.scan(back, (costate, shares), steps, reverse=True)
    return costate, shares


def _minus(y, h, *slopes):
    return jax.tree.map(lambda y, *ks: y - h * sum(ks), y, *slopes)


def _modified_euler(slope, y, states, h):
    later, earlier = states
    k1 = slope(later, y)
    k2 = slope(earlier, _minus(y, h, k1))
    return _minus(y, h / 2, k1, k2)


def _classical(slope, y, states, h):
    later, middle, earlier = states
    k1 = slope(later, y)
    k2 = slope(middle, _minus(y, h / 2, k1))
    k3 = slope(middle, _minus(y, h / 2, k2))
    k4 = slope(earlier, _minus(y, h, k3))
    return _minus(y, h / 6, k1, k2, k2, k3, k3, k4)


_SCHEMES = {2: _modified_euler, 4: _classical}


@eqx.filter_custom_vjp
def _descend(inputs, *, num_steps):
    params, objective, update = inputs

    def forward(u, _):
        u = eqx.apply_updates(u, update(objective.gradient(u), u))
        return u, u

    return jax.lax.scan(forward, params, length=num_steps)


@_descend.def_fwd
def _descend_forward(perturbed, inputs, *, num_steps):
    final, states = _descend(inputs, num_steps=num_steps)
    return (final, states), jax.tree.map(lambda x: x[:-1], with_start(inputs[0], states))


@_descend.def_bwd
def _descend_backward(befores, cotangents, perturbed, inputs, *, num_steps):
    params, objective, update = inputs
    at_end, at_states = cotangents
    costate = materialise(at_end, params)
    floats, fixed = eqx.partition(update, eqx.is_inexact_array)
    shares = jax.tree.map(jnp.zeros_like, (eqx.filter(objective, eqx.is_inexact_array), floats))

    def back(carry, step):
        """From u_{k+1} = u_k + U(∇L(u_k), u_k) to u_k."""
        costate, (to_objective, to_update) = carry
        u, at_state = step
        costate = eqx.apply_updates(costate, at_state)
        rule = lambda floats, g, u: eqx.combine(floats, fixed)(g, u)
        _, pull = jax.vjp(rule, floats, objective.gradient(u), u)
        by_update, direction, through_rule = pull(costate)
        Hc, by_objective = objective.curvature(u, direction)
        add = lambda *trees: jax.tree.map(lambda *xs: sum(xs), *trees)
        shares = (add(to_objective, by_objective), add(to_update, by_update))
        return (add(costate, through_rule, Hc), shares), None

    (costate, (to_objective, to_update)), _ = jax.lax.scan(
        back, (costate, shares), (befores, at_states), reverse=True
    )
    return costate, to_objective, to_update
