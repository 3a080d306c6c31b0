"""Plain automatic differentiation through every step: MAML's way, and the yardstick."""

import diffrax
import jax
import jax.numpy as jnp

from ..descent import Descent
from .base import (
    AbstractDescentAdjoint,
    AbstractFlowAdjoint,
    descent_field,
    descent_mode,
    with_start,
)


class Unrolled(AbstractFlowAdjoint, AbstractDescentAdjoint):
    """Let JAX differentiate the loop as it stands, in reverse or forward mode, to any order.

    Exact for the discretised loop, any optimizer, every hyper-parameter. Memory grows with the
    number of steps (for a flow, with `max_steps`). A flow's steps are cut as for `Checkpointed`.

    Source: MAML (Finn et al. 2017); COMLN (Deleu et al. 2022), Table 1.
    """

    def solve_flow(self, objective, params, T, ts, integrator):
        """See `AbstractFlowAdjoint`."""
        adjoint = diffrax.DirectAdjoint()
        return integrator.solve(descent_field, params, objective, T, ts, adjoint, descent_mode)

    def descend(self, objective, params, num_steps, optimizer, path):
        """See `AbstractDescentAdjoint`."""
        descent = Descent(objective, optimizer)

        def step(state, number):
            state = descent.step(state, number)
            return state, state[0] if path else None

        (final, _), states = jax.lax.scan(step, descent.init(params), jnp.arange(num_steps))
        return final, with_start(params, states) if path else None
