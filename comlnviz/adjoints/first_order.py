"""Pretend that the adapted parameters are the initial ones plus a constant."""

import jax

from .base import AbstractDescentAdjoint, record_only
from .unrolled import Unrolled


class FirstOrder(AbstractDescentAdjoint):
    """The exact gradient with the Jacobian d(adapted)/d(initial) replaced by the identity.

    Approximate: no second derivatives, and **no gradient in anything but the initial
    parameters** (learning rates, the loss's own parameters and the data receive zero through the
    inner loop). Memory: one copy of the parameters.

    Source: FOMAML (Finn et al. 2017, Section 5.2).
    """

    def descend(self, objective, params, num_steps, optimizer, path):
        """See `AbstractDescentAdjoint`."""
        final, states = Unrolled().descend(objective, params, num_steps, optimizer, path)
        identity = lambda end, p: jax.lax.stop_gradient(end) + (p - jax.lax.stop_gradient(p))
        return jax.tree.map(identity, final, params), record_only(states, "FirstOrder()")
