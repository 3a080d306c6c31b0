"""Reptile: move towards where each task leads."""

from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

from ..adjoints import FirstOrder
from ..inner import gradient_descent
from ..models import AbstractModel
from .base import ADAPTATION, AbstractNetworkAlgorithm, or_nan


@final
class Reptile(AbstractNetworkAlgorithm):
    """The meta-gradient is where the task's descent started minus where it ended.

    No query set is needed, so the descent of meta-training runs on all of a task's examples;
    adaptation at test, and the loss and accuracy reported in training, on the support set as
    everywhere. Approximate: no derivative of an adaptation is taken.

    **Fields:**

    - `model`: the network's recipe.
    - `step_size`, `num_steps`: α and the number of gradient steps.

    Source: Reptile (Nichol et al. 2018), Algorithm 2.
    """

    model: AbstractModel
    step_size: float = 0.01
    num_steps: int = eqx.field(static=True, default=5)

    def adapt(self, meta, support):
        """See `AbstractAlgorithm`."""
        return gradient_descent(
            self.criterion,
            meta,
            support,
            self.num_steps,
            optimizer=optax.sgd(self.step_size),
            adjoint=FirstOrder(),
        )

    def meta_grad(self, meta, task):
        """See `AbstractAlgorithm`."""
        logits = self.logits(meta, task)
        loss = self.criterion.loss(logits, task.query[1])
        everything = jax.tree.map(lambda a, b: jnp.concatenate([a, b]), task.support, task.query)
        with jax.named_scope(ADAPTATION):
            solution = self.adapt(meta, everything)
        start, end = (eqx.filter(x, eqx.is_inexact_array) for x in (meta, solution.params))
        direction = jax.tree.map(lambda a, b: or_nan(solution, a - b), start, end)
        return (loss, self.criterion.score(logits, task.query[1])), direction
