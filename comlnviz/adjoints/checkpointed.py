"""Reverse mode with few states kept and the rest recomputed."""

import diffrax
import equinox as eqx
import equinox.internal as eqxi
import jax.numpy as jnp

from ..descent import Descent
from .base import AbstractDescentAdjoint, AbstractFlowAdjoint, descent_field, with_start


class Checkpointed(AbstractFlowAdjoint, AbstractDescentAdjoint):
    """Differentiate the discretised loop exactly, keeping `checkpoints` states.

    For K steps the default keeps about √K states and recomputes each step a little more than
    twice (online recursive checkpointing, by Diffrax and Equinox). Not for `jax.jvp`.

    A flow's derivative is that of the steps the solver took, their lengths held. Under a loose
    tolerance steps outgrow the solver's stability, and this derivative can grow by each of them
    (to 10⁴⁶ with 1e-3 and T = 100 on a linear head with large features): tighten `rtol` and
    `atol`, or use `StoredStates`. `linear_flow` cuts such steps.

    **Arguments:**

    - `checkpoints`: how many states to keep; `None` for about √K.
    """

    checkpoints: int | None = eqx.field(default=None, static=True)

    def solve_flow(self, objective, params, T, ts, integrator):
        """See `AbstractFlowAdjoint`."""
        adjoint = diffrax.RecursiveCheckpointAdjoint(self.checkpoints)
        return integrator.solve(descent_field, params, objective, T, ts, adjoint)

    def descend(self, objective, params, num_steps, optimizer, path):
        """See `AbstractDescentAdjoint`."""
        descent = Descent(objective, optimizer)

        def step(state, number):
            state = descent.step(state, number)
            return state, state[0] if path else None

        (final, _), states = eqxi.scan(
            step,
            descent.init(params),
            jnp.arange(num_steps),
            kind="checkpointed",
            checkpoints=self.checkpoints,
        )
        return final, with_start(params, states) if path else None
