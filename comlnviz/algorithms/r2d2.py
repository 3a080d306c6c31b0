"""R2D2: ridge regression as the last layer."""

from typing import final

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..models import AbstractEncoder, AbstractNetwork
from .base import AbstractHeadAlgorithm
from .closed_form import done, ridge


class Meta(eqx.Module):
    """What R2D2 learns: the encoder, the ridge, and an affine map from regression to logits."""

    encoder: AbstractNetwork
    log_ridge: Float[Array, ""]
    scale: Float[Array, ""]
    offset: Float[Array, ""]


@final
class R2D2(AbstractHeadAlgorithm):
    """Differentiable closed-form ridge regression onto the one-hot labels.

    Exact: the solution of the inner problem is differentiated, through an M×M system.

    **Fields:**

    - `encoder`, `ways`: the embedding network's recipe, and the number N of classes.
    - `ridge`: the weight of ‖W‖² at the start; it is learned through its logarithm.

    Source: R2D2 (Bertinetto et al. 2019), Section 3.2.
    """

    encoder: AbstractEncoder
    ways: int = eqx.field(static=True)
    ridge: float = 1.0

    def init(self, key):
        """A fresh encoder, logits equal to the regression's values."""
        encoder = self.encoder.init(key)
        return Meta(encoder, jnp.log(jnp.asarray(self.ridge, float)), jnp.ones(()), jnp.zeros(()))

    def adapt_head(self, meta, features, labels):
        """See `AbstractHeadAlgorithm`."""
        return done(ridge(features, labels, jnp.exp(meta.log_ridge)))

    def classify(self, meta, head, features):
        """See `AbstractHeadAlgorithm`."""
        return meta.scale * (features @ head.T) + meta.offset

    def monitor(self, meta):
        """The ridge and the scale."""
        return {"ridge": jnp.exp(meta.log_ridge), "scale": meta.scale}
