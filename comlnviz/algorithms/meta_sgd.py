"""Meta-SGD: a learned learning rate for every parameter."""

from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp

from ..adjoints import StoredStates
from ..inner import MetaSGDRule, meta_optimizer
from ..models import AbstractModel
from ..models.freeze import split
from .base import AbstractNetworkAlgorithm
from .meta_optimizer_maml import Meta
from .network_descent import descend


@final
class MetaSGD(AbstractNetworkAlgorithm):
    """MAML whose step size is a vector as long as the parameters, meta-learned, of any sign.

    Exact: differentiates through every step. The simplest of the learned update rules: see
    `MetaOptimizerMAML` for others.

    **Fields:**

    - `model`: the network's recipe.
    - `step_size`: that all rates start at.
    - `num_steps`: gradient steps; one in the paper.

    Source: Meta-SGD (Li et al. 2017), Algorithm 1.
    """

    model: AbstractModel
    step_size: float = 0.01
    num_steps: int = eqx.field(static=True, default=1)

    def init(self, key):
        """A fresh network, all rates alike."""
        network = self.model.init(key)
        return Meta(network, MetaSGDRule(self.step_size).init(split(network)[0], key))

    def adapt(self, meta, support):
        """See `AbstractAlgorithm`."""
        optimizer = meta_optimizer(meta.rule)
        return descend(
            self.criterion, meta.network, support, self.num_steps, optimizer, StoredStates()
        )

    def monitor(self, meta):
        """The mean rate."""
        leaves = jax.tree.leaves(meta.rule)
        total = jnp.sum(jnp.stack([jnp.sum(x) for x in leaves]))
        return {"rate": total / sum(x.size for x in leaves)}
