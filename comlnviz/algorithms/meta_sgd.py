"""Meta-SGD: a learned learning rate for every parameter."""

from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import PyTree

from ..inner import gradient_descent
from ..models import AbstractNetwork, Classifier
from .base import AbstractNetworkAlgorithm


class Meta(eqx.Module):
    """What Meta-SGD learns: the initial network, and a rate for each of its numbers."""

    network: AbstractNetwork
    rates: PyTree


@final
class MetaSGD(AbstractNetworkAlgorithm):
    """MAML whose step size is a vector as long as the parameters, meta-learned, of any sign.

    Exact: differentiates through every step.

    **Fields:**

    - `model`: the network's recipe.
    - `step_size`: that all rates start at.
    - `num_steps`: gradient steps; one in the paper.

    Source: Meta-SGD (Li et al. 2017), Algorithm 1.
    """

    model: Classifier
    step_size: float = 0.01
    num_steps: int = eqx.field(static=True, default=1)

    def init(self, key):
        """A fresh network, all rates alike."""
        network = self.model.init(key)
        floats = eqx.filter(network, eqx.is_inexact_array)
        return Meta(network, jax.tree.map(lambda x: jnp.full_like(x, self.step_size), floats))

    def adapt(self, meta, support):
        """See `AbstractAlgorithm`."""
        scale = lambda updates, _: jax.tree.map(lambda r, g: -r * g, meta.rates, updates)
        return gradient_descent(
            self.criterion,
            meta.network,
            support,
            self.num_steps,
            optimizer=optax.stateless(scale),
        )

    def monitor(self, meta):
        """The mean rate."""
        leaves = jax.tree.leaves(meta.rates)
        total = jnp.sum(jnp.stack([jnp.sum(x) for x in leaves]))
        return {"rate": total / sum(x.size for x in leaves)}
