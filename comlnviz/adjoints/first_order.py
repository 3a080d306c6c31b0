"""Pretend that the gradients of the inner loss are constants."""

import jax
import optax

from .base import AbstractDescentAdjoint
from .unrolled import Unrolled


class FirstOrder(AbstractDescentAdjoint):
    """The exact gradient with every second derivative of the loss replaced by zero.

    Approximate: what a step adds to the parameters counts as a constant, but for the optimizer's
    settings. So d(adapted)/d(initial) is the identity (less what weight decay takes), learning
    rates and the like receive their gradients, and **the data and the loss's own parameters
    receive zero**. Memory: one copy of the parameters; one a step where settings are learned.

    Source: FOMAML (Finn et al. 2017, Section 5.2); with learned rates, the derivative-order
    annealing of MAML++ (Antoniou et al. 2018).
    """

    def descend(self, objective, params, num_steps, optimizer, path):
        """See `AbstractDescentAdjoint`."""
        constant = optax.stateless(lambda gradients, _: jax.lax.stop_gradient(gradients))
        optimizer = optax.chain(constant, optimizer)
        return Unrolled().descend(objective, params, num_steps, optimizer, path)
