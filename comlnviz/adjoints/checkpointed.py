"""Reverse mode with few states kept and the rest recomputed."""

import diffrax
import equinox as eqx
import equinox.internal as eqxi
import jax.numpy as jnp

from ..descent import Descent
from .base import (
    AbstractDescentAdjoint,
    AbstractFlowAdjoint,
    descent_field,
    descent_mode,
    with_start,
)


class Checkpointed(AbstractFlowAdjoint, AbstractDescentAdjoint):
    """Differentiate the discretised loop exactly, keeping `checkpoints` states.

    For K steps the default keeps about √K states and recomputes each step a little more than
    twice (online recursive checkpointing, by Diffrax and Equinox). Not for `jax.jvp`.

    A flow's derivative is that of the steps the solver took, their lengths held. Adaptive explicit
    steps are cut to where the solver is stable, or this derivative would grow with each of them; to
    know the curvature takes a Hessian-vector product a step, and a copy of the parameters a
    checkpoint.

    **Arguments:**

    - `checkpoints`: how many states to keep; `None` for about √K.
    """

    checkpoints: int | None = eqx.field(default=None, static=True)

    def solve_flow(self, objective, params, T, ts, integrator):
        """See `AbstractFlowAdjoint`."""
        adjoint = diffrax.RecursiveCheckpointAdjoint(self.checkpoints)
        return integrator.solve(descent_field, params, objective, T, ts, adjoint, descent_mode)

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
