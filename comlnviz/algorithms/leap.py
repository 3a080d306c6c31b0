"""LEAP: shorten the paths that descent takes on the tasks."""

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
class LEAP(AbstractNetworkAlgorithm):
    """Learn an initialization from which the path of descent, on the graph of the loss, is short.

    The meta-gradient is that of the path's energy Σ_k ‖θ_{k+1} − θ_k‖² + (L_{k+1} − L_k)², the end
    of each stretch being held and the Jacobian of its beginning in θ_0 taken for the identity.
    Approximate. The descent of meta-training runs on all of a task's examples, as in Reptile.

    **Fields:**

    - `model`: the network's recipe.
    - `step_size`, `num_steps`: α and the number of gradient steps.

    Source: LEAP (Flennerhag et al. 2019), Algorithm 1 and equation 8, with its stabilizer: a loss
    that rises counts as one that falls.
    """

    model: AbstractModel
    step_size: float = 0.01
    num_steps: int = eqx.field(static=True, default=5)

    def adapt(self, meta, support):
        """See `AbstractAlgorithm`."""
        return self._descend(meta, support, path=False)

    @jax.named_scope(ADAPTATION)
    def _descend(self, meta, data, path):
        return gradient_descent(
            self.criterion,
            meta,
            data,
            self.num_steps,
            optimizer=optax.sgd(self.step_size),
            path=path,
            adjoint=FirstOrder(),
        )

    def meta_grad(self, meta, task):
        """See `AbstractAlgorithm`."""
        logits = self.logits(meta, task)
        loss = self.criterion.loss(logits, task.query[1])
        everything = jax.tree.map(lambda a, b: jnp.concatenate([a, b]), task.support, task.query)
        solution = self._descend(meta, everything, path=True)
        states, static = eqx.partition(solution.path, eqx.is_inexact_array)
        along = lambda at: self.criterion(eqx.combine(at, static), everything)
        losses, slopes = jax.lax.map(jax.value_and_grad(along), states)
        falls = -jnp.abs(jnp.diff(losses))

        def direction(theta, slope):
            moved = jnp.diff(theta, axis=0)
            fall = falls.reshape(-1, *[1] * (theta.ndim - 1))
            return or_nan(solution, -2 * jnp.sum(fall * slope[:-1] + moved, axis=0))

        return (loss, self.criterion.score(logits, task.query[1])), jax.tree.map(
            direction, states, slopes
        )
