"""MetaOptNet: a convex learner as the last layer. Here its ridge regression."""

from typing import final

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..models import AbstractEncoder, AbstractNetwork
from .base import AbstractHeadAlgorithm
from .closed_form import done, ridge


class Meta(eqx.Module):
    """What MetaOptNet learns: the encoder, and the scale of its logits."""

    encoder: AbstractNetwork
    scale: Float[Array, ""]


@final
class MetaOptNetRR(AbstractHeadAlgorithm):
    """MetaOptNet with ridge regression: a fixed, strong ridge and a learned scale of the logits.

    Exact. The paper solves the dual by a QP solver; for ridge regression the closed form is the
    same minimum.

    **Fields:**

    - `encoder`, `ways`: the embedding network's recipe, and the number N of classes.
    - `ridge`: λ = 50 in the paper.

    Source: MetaOptNet (Lee et al. 2019), Section 3 and its ridge-regression head.
    """

    encoder: AbstractEncoder
    ways: int = eqx.field(static=True)
    ridge: float = 50.0

    def init(self, key):
        """A fresh encoder, scale 1."""
        return Meta(self.encoder.init(key), jnp.ones(()))

    def adapt_head(self, meta, features, labels):
        """See `AbstractHeadAlgorithm`."""
        return done(ridge(features, labels, self.ridge))

    def classify(self, meta, head, features):
        """See `AbstractHeadAlgorithm`."""
        return meta.scale * (features @ head.T)

    def monitor(self, meta):
        """The scale."""
        return {"scale": meta.scale}
