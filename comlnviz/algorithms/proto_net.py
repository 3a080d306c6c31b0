"""ProtoNet: the nearest class mean. No gradient in sight; the yardstick."""

from typing import final

import equinox as eqx
import jax.numpy as jnp

from ..models import AbstractEncoder, AbstractNetwork
from .base import AbstractHeadAlgorithm
from .closed_form import done


class Meta(eqx.Module):
    """What ProtoNet learns: the encoder."""

    encoder: AbstractNetwork


@final
class ProtoNet(AbstractHeadAlgorithm):
    """Prototypical networks: a class is the mean of its examples, a query goes to the nearest.

    Nothing is iterated; exact.

    **Fields:**

    - `encoder`, `ways`: the embedding network's recipe, and the number N of classes.

    Source: Snell et al. 2017, Algorithm 1.
    """

    encoder: AbstractEncoder
    ways: int = eqx.field(static=True)

    def init(self, key):
        """A fresh encoder."""
        return Meta(self.encoder.init(key))

    def adapt_head(self, meta, features, labels):
        """See `AbstractHeadAlgorithm`; the parameters are the prototypes, (N, d)."""
        return done(labels.T @ features / jnp.sum(labels, axis=0)[:, None])

    def classify(self, meta, head, features):
        """Minus the squared distances."""
        return -jnp.sum((features[:, None, :] - head[None]) ** 2, axis=-1)
