"""An inner loss, any of whose settings may be learned, and four such losses."""

from collections.abc import Callable, Mapping
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from ..models import AbstractNetwork, Labelled
from ..models.linear_head import softmax_cross_entropy
from .learned import AbstractLearned, Learned, check_names


@final
class LearnedLoss(AbstractLearned):
    """A loss with `Learned`, or networks' recipes, in the places of some of its settings.

        LearnedLoss(decayed, weight=Learned(1e-3, per="layer"))
        LearnedLoss(criticised, critic=MLP(2 * ways, (16, 1), jax.nn.softplus))

    A setting that is one a layer, array or number comes to the loss as a tree with the structure
    of the parameters' arrays.

    **Fields:**

    - `function`: (params, data, **settings) ↦ one real number.
    - `settings`: its keyword arguments.

    **Raises** `ValueError` for a setting that the loss does not have.

    Source: GIMLI (Grefenstette et al. 2019), Section 2.1, φ_loss.
    """

    function: Callable[..., Float[Array, ""]] = eqx.field(static=True)
    settings: Mapping[str, Any]

    def __init__(self, function: Callable[..., Float[Array, ""]], **settings: Any):
        check_names(function, settings, 2)
        self.function, self.settings = function, settings

    @classmethod
    def of(cls, loss: Any) -> "LearnedLoss":
        """The same, or a plain loss(params, data), in which nothing is learned."""
        return loss if isinstance(loss, cls) else cls(loss)

    @property
    def stepwise(self) -> bool:
        """Whether it changes from step to step."""
        return any("step" in s.per for s in self.learned.values())

    def __call__(self, phi: dict[str, Any]) -> Callable[..., Float[Array, ""]]:
        """The loss (params, data, step) at φ; the step may be left out if it is not `stepwise`."""

        def loss(params, data, step=0):
            def value(name, setting):
                if not isinstance(setting, Learned):
                    return phi.get(name, setting)
                if not setting.spread:
                    return setting.at(phi[name], (), step)
                floats = eqx.filter(params, eqx.is_inexact_array)
                at = lambda path, _: setting.at(phi[name], path, step)
                return jax.tree_util.tree_map_with_path(at, floats)

            settings = {name: value(name, s) for name, s in self.settings.items()}
            return self.function(params, data, **settings)

        return loss


def smoothed(network: AbstractNetwork, data: Labelled, smoothing: Array) -> Float[Array, ""]:
    """Cross-entropy against (1 − ε) y + ε/N: label smoothing, ε in (0, 1)."""
    inputs, labels = data
    wanted = (1 - smoothing) * labels + smoothing / labels.shape[-1]
    return softmax_cross_entropy(network(inputs), wanted)


def decayed(network: AbstractNetwork, data: Labelled, weight: Array | PyTree) -> Float[Array, ""]:
    """Cross-entropy plus ½ Σ weight · parameter²: a learned ridge, one weight or one an array."""
    floats = eqx.filter(network, eqx.is_inexact_array)
    weights = weight if not eqx.is_array(weight) else jax.tree.map(lambda _: weight, floats)
    terms = jax.tree.map(lambda w, p: jnp.sum(w * p**2) / 2, weights, floats)
    return softmax_cross_entropy(network(data[0]), data[1]) + sum(jax.tree.leaves(terms))


def weighted(network: AbstractNetwork, data: Labelled, weights: Array) -> Float[Array, ""]:
    """Cross-entropy with a weight for each of a support set's examples, (M,), or for all."""
    terms = -jnp.sum(data[1] * jax.nn.log_softmax(network(data[0])), axis=-1)
    return jnp.mean(weights * terms)


def criticised(
    network: AbstractNetwork, data: Labelled, critic: AbstractNetwork
) -> Float[Array, ""]:
    """What a learned network says of (logits, labels), on average: the loss is learned itself.

    Source: ML³ (Bechtle et al. 2019), as GIMLI's Section 3.1 has it.
    """
    inputs, labels = data
    return jnp.mean(critic(jnp.concatenate([network(inputs), labels], axis=-1)))
