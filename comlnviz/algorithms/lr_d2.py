"""LR-D2: logistic regression as the last layer, by a few of Newton's steps."""

from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..counts import check_counts
from ..models import AbstractEncoder, AbstractNetwork
from .base import AbstractHeadAlgorithm
from .closed_form import done


class Meta(eqx.Module):
    """What LR-D2 learns: the encoder, the weight of ‖w‖², and the scale of the logits."""

    encoder: AbstractNetwork
    log_ridge: Float[Array, ""]
    scale: Float[Array, ""]


@final
class LRD2(AbstractHeadAlgorithm):
    """Differentiable logistic regression of each class against the others.

    Exact for the Newton steps taken, which are differentiated through; of the regression itself
    they are an approximation that improves quickly with their number. Each step is a weighted ridge
    regression, solved through an M×M system.

    **Fields:**

    - `encoder`, `ways`: the embedding network's recipe, and the number N of classes.
    - `ridge`: the weight of ‖w‖² at the start; it is learned through its logarithm.
    - `num_steps`: of Newton's method; 5 in the paper.

    Source: Bertinetto et al. 2019, Section 3.3 (iteratively reweighted least squares).
    """

    encoder: AbstractEncoder
    ways: int = eqx.field(static=True)
    ridge: float = 1.0
    num_steps: int = eqx.field(static=True, default=5)

    def __check_init__(self):
        check_counts(num_steps=self.num_steps)

    def init(self, key):
        """A fresh encoder, scale 1."""
        encoder = self.encoder.init(key)
        return Meta(encoder, jnp.log(jnp.asarray(self.ridge, float)), jnp.ones(()))

    def adapt_head(self, meta, features, labels):
        """See `AbstractHeadAlgorithm`; one row of weights a class."""
        ridge, gram = jnp.exp(meta.log_ridge), features @ features.T

        def newton(logits, target):
            """The next α with w = φᵀα, for one class: weights μ(1 − μ), working response z."""
            mean = jax.nn.sigmoid(logits)
            variance = mean * (1 - mean)
            # Bounded away from 0, where an example is so certain that it has no say. Not by
            # `jnp.maximum`: its gradient asks which number equals the larger, see `max_pool`.
            variance = jnp.where(variance > 1e-4, variance, 1e-4)
            response = logits + (target - mean) / variance
            return jnp.linalg.solve(gram + ridge * jnp.diag(1 / variance), response)

        def one_class(target):
            alpha = jnp.zeros_like(target)
            for _ in range(self.num_steps):
                alpha = newton(gram @ alpha, target)
            return alpha

        return done(jax.vmap(one_class)(labels.T) @ features)

    def classify(self, meta, head, features):
        """Each class's log-odds against the others, scaled."""
        return meta.scale * (features @ head.T)

    def monitor(self, meta):
        """The ridge and the scale."""
        return {"ridge": jnp.exp(meta.log_ridge), "scale": meta.scale}
