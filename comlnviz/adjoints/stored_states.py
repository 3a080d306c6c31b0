"""Keep the states of the forward pass; take the costate back over them."""

import diffrax
import equinox as eqx
import equinox.internal as eqxi
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from ..counts import check_counts
from ..objective import Objective, strong
from ..step_control import MARGIN, hold
from .base import (
    AbstractDescentAdjoint,
    AbstractFlowAdjoint,
    descent_field,
    descent_mode,
    materialise,
    record_only,
)


class StoredStates(AbstractFlowAdjoint, AbstractDescentAdjoint):
    """Store states on the way forward, follow the costate back over them. Never re-solve.

    *A flow* keeps `num_states` equally spaced states and steps the costate,
    d(costate)/dt = +∇²L(u)·costate from T to 0, by a Runge–Kutta method whose stages lie at stored
    states: of second `order` in the spacing T/(num_states − 1), modified Euler between neighbours;
    of fourth, the classical method over two spacings, at the same cost. A step that is too long for
    the method's stability is divided, over interpolated states, or the costate would grow with each
    of them; tasks of a batch are divided alike. Where that takes more than twice `max_steps` parts
    in all, the gradient is NaN. *Descent* keeps every step's parameters and optimizer state and is
    exact, for any optimizer: a step is taken back by the VJP of the optimizer's update and a
    forward-over-reverse Hessian-vector product of the loss, whose activations are not kept.

    Memory: one copy of the parameters a stored state, and in descent one of the optimizer's state.
    Time: two Hessian-vector products a state, in descent one; for a flow, three more at every tenth
    state (of a hundred or fewer, every tenth of the way), which tell the curvature. Not for
    `jax.jvp`.

    **Arguments:**

    - `num_states`: how many states a flow keeps, both ends included; at least 2.
    - `order`: of the backward steps, 2 or 4; 4 needs an odd number of states.

    Source: A-MAML (Li et al. 2023), Section 3, Algorithm 2, where H stands for −∇²L; the fourth
    order and the division are not in the paper. Descent: GIMLI (Grefenstette et al. 2019),
    Algorithm 1, lines 10 to 15.
    """

    num_states: int = eqx.field(default=100, static=True)
    order: int = eqx.field(default=2, static=True)

    def __check_init__(self):
        check_counts(2, ", both ends", num_states=self.num_states)
        if self.order not in SCHEMES:
            raise ValueError(f"order must be 2 or 4; got {self.order}.")
        if self.order == 4 and self.num_states % 2 == 0:
            raise ValueError(f"num_states must be odd for order 4; got {self.num_states}.")

    def solve_flow(self, objective, params, T, ts, integrator):
        """See `AbstractFlowAdjoint`."""
        run = _flow((params, objective), T=T, ts=ts, integrator=integrator, adjoint=self)
        states = record_only(run.states, "StoredStates() on a flow")
        return eqx.tree_at(lambda r: r.states, run, states, is_leaf=lambda x: x is None)

    def descend(self, objective, params, num_steps, optimizer, path):
        """See `AbstractDescentAdjoint`."""
        start = strong((params, optimizer.init(params)))

        def update(state, gradient):
            params, memory = state
            updates, memory = optimizer.update(gradient, memory, params)
            return eqx.apply_updates(params, updates), memory

        update = strong(eqx.filter_closure_convert(update, start, params))
        (final, _), befores = _descend((start, objective, update), num_steps=num_steps)
        join = lambda before, end: jnp.concatenate([before, end[None]])
        return final, jax.tree.map(join, befores, final) if path else None


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
        return eqx.tree_at(lambda r: r.states, stored, None), stored.states
    return _store(params_objective, T, ts, integrator), stored.states


@_flow.def_bwd
def _flow_backward(states, cotangent, perturbed, params_objective, *, T, ts, integrator, adjoint):
    _, objective = params_objective
    spacings = adjoint.order // 2  # a step goes over one, or over two
    h = spacings * T / (adjoint.num_states - 1)
    at_T = jax.tree.map(lambda x: x[-1], states)
    costate = materialise(cotangent.final, at_T)
    shares = jax.tree.map(jnp.zeros_like, eqx.filter(objective, eqx.is_inexact_array))
    ends = np.arange(0, adjoint.num_states - 1, spacings)
    parts = h * _curvatures(objective, states, ends, spacings) / (MARGIN * REACH[adjoint.order])
    parts = jnp.maximum(1, jnp.ceil(parts))
    most = 2 * max(integrator.max_steps, len(ends))
    lost = ~(parts.sum() <= most)
    parts = jnp.where(lost, 1, parts).astype(int)

    def back(y, step):
        """Over a step that ends at state `number`: costate, objective's share."""
        number, count = step
        slope = lambda state, y: objective.curvature(state, y[0])
        # Tasks of a batch go together: loops of their own lengths would copy what they carry.
        count = eqxi.unvmap_max(count)

        def part(carry):
            k, y = carry
            gone = [(k + i / spacings) / count for i in range(spacings + 1)]
            within = [_at(states, number + spacings * (1 - share)) for share in gone]
            return k + 1, SCHEMES[adjoint.order](slope, y, within, h / count)

        going = lambda carry: carry[0] < count
        begin = jnp.zeros((), int), y
        _, y = eqxi.while_loop(going, part, begin, max_steps=most, kind="checkpointed")
        return y, None

    steps = jnp.asarray(ends), parts
    (costate, shares), _ = jax.lax.scan(back, (costate, shares), steps, reverse=True)
    return jax.tree.map(lambda x: jnp.where(lost, jnp.nan, x), (costate, shares))


def _curvatures(
    objective: Objective, states: PyTree, ends: np.ndarray, spacings: int
) -> Float[Array, " steps"]:
    """The largest curvature in each step, from a dozen looks along the path or more."""
    states, objective = hold((states, objective))
    last = ends[-1] + spacings
    places = np.unique(np.append(np.arange(0, last, min(10, max(1, last // 10))), last))
    at = lambda i: jax.tree.map(lambda x: x[i], states)
    mode, _ = descent_mode(at(-1), objective, None)
    look = lambda mode, i: descent_mode(at(i), objective, mode, 3)
    _, seen = jax.lax.scan(look, mode, jnp.asarray(places), reverse=True)
    known = jnp.interp(jnp.arange(last + 1), places, seen)
    return jnp.maximum(known[ends], known[ends + spacings])


def _at(states: PyTree, place: Float[Array, ""]) -> PyTree:
    """At a state's number, or on the line between two. Slices of the path would be copies of it."""

    def read(x):
        first = jnp.clip(jnp.floor(place).astype(int), 0, len(x) - 2)
        beyond = (place - first).astype(x.dtype)
        return (1 - beyond) * x[first] + beyond * x[first + 1]

    return jax.tree.map(read, states)


def _minus(y, h, *slopes):
    return jax.tree.map(lambda y, *ks: (y - h * sum(ks)).astype(y.dtype), y, *slopes)


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


SCHEMES = {2: _modified_euler, 4: _classical}
REACH = {2: 2.0, 4: 2.785}  # how far they are stable along the negative real axis


def _steps(inputs, num_steps):
    """Parameters and optimizer's state after the last step, and stacked, before each."""
    start, objective, update = inputs

    def forward(state, number):
        return update(state, objective.at(number).gradient(state[0])), state

    return jax.lax.scan(forward, start, jnp.arange(num_steps))


@eqx.filter_custom_vjp
def _descend(inputs, *, num_steps):
    final, befores = _steps(inputs, num_steps)
    return final, befores[0]


@_descend.def_fwd
def _descend_forward(perturbed, inputs, *, num_steps):
    final, befores = _steps(inputs, num_steps)
    return (final, befores[0]), befores


@_descend.def_bwd
def _descend_backward(befores, cotangents, perturbed, inputs, *, num_steps):
    start, objective, update = inputs
    at_end, at_befores = cotangents
    floats, fixed = eqx.partition(update, eqx.is_inexact_array)
    memories, integers = eqx.partition(befores[1], eqx.is_inexact_array)
    costates = materialise(at_end, eqx.filter(start, eqx.is_inexact_array))
    shares = jax.tree.map(jnp.zeros_like, (eqx.filter(objective, eqx.is_inexact_array), floats))
    add = lambda *trees: jax.tree.map(lambda *xs: sum(xs), *trees)

    def back(carry, step):
        """From (u, memory) after step k to before it; `shares` are what else has a part in it."""
        costates, (to_objective, to_update) = carry
        number, u, memory, integers, at_u = step
        now = objective.at(number)

        def rule(floats, u, memory, gradient):
            state = u, eqx.combine(memory, integers)
            return eqx.filter(eqx.combine(floats, fixed)(state, gradient), eqx.is_inexact_array)

        _, pull = jax.vjp(rule, floats, u, memory, now.gradient(u))
        by_update, to_u, to_memory, direction = pull(costates)
        Hv, by_objective = now.curvature(u, direction)
        to_u = eqx.apply_updates(add(to_u, Hv), at_u)
        shares = add(to_objective, by_objective), add(to_update, by_update)
        return ((to_u, to_memory), shares), None

    steps = jnp.arange(num_steps), befores[0], memories, integers, at_befores
    (costates, (to_objective, to_update)), _ = jax.lax.scan(
        back, (costates, shares), steps, reverse=True
    )
    return costates, to_objective, to_update
