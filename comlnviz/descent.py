"""How gradient descent is stepped: an objective with an optax optimizer."""

import equinox as eqx
import optax
from jaxtyping import Array, Int, PyTree

from .objective import Objective


class Descent(eqx.Module):
    """The loop body of gradient descent, public so that one can stop inside the method."""

    objective: Objective
    optimizer: optax.GradientTransformation

    def init(self, params: PyTree) -> tuple[PyTree, PyTree]:
        """The parameters with the optimizer's state before the first step."""
        return params, self.optimizer.init(params)

    def step(
        self, state: tuple[PyTree, PyTree], number: Int[Array, ""] | int = 0
    ) -> tuple[PyTree, PyTree]:
        """One step of the optimizer; its `number` matters where the loss changes with it."""
        params, memory = state
        gradient = self.objective.at(number).gradient(params)
        updates, memory = self.optimizer.update(gradient, memory, params)
        return eqx.apply_updates(params, updates), memory
