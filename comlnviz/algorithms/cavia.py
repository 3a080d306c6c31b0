"""CAVIA: adapt a context, share everything else."""

from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from ..adjoints import AbstractDescentAdjoint, StoredStates
from ..inner import gradient_descent
from ..models import AbstractEncoder, AbstractNetwork
from ..models.linear_head import softmax_cross_entropy
from .base import AbstractHeadAlgorithm


class Meta(eqx.Module):
    """What CAVIA learns: encoder and head, and how a context c modulates the embedding.

    The embedding is scaled by 1 + `scale` c and shifted by `shift` c (FiLM).
    """

    encoder: AbstractNetwork
    head: Float[Array, "N d"]
    bias: Float[Array, " N"]
    scale: Float[Array, "d C"]
    shift: Float[Array, "d C"]


@final
class CAVIA(AbstractHeadAlgorithm):
    """Fast context adaptation: gradient steps on a context vector that starts at zero.

    Exact: differentiates through every step. The context modulates the embedding, where the paper
    modulates the third of four convolution layers: so a step needs no pass through the network.

    **Fields:**

    - `encoder`, `ways`: the embedding network's recipe, and the number N of classes.
    - `context_size`: C; 100 in the paper.
    - `step_size`, `num_steps`: α and the number of gradient steps; 1 and 2 in the paper.
    - `adjoint`: as in `gradient_descent`.

    Source: CAVIA (Zintgraf et al. 2019), Algorithm 1 and Section 3.3.
    """

    encoder: AbstractEncoder
    ways: int = eqx.field(static=True)
    context_size: int = eqx.field(static=True, default=100)
    step_size: float = 1.0
    num_steps: int = eqx.field(static=True, default=2)
    adjoint: AbstractDescentAdjoint = StoredStates()

    def init(self, key):
        """Fresh encoder; head and modulation Glorot-uniform."""
        encoder_key, *keys = jax.random.split(key, 4)
        make = jax.nn.initializers.glorot_uniform(in_axis=-1, out_axis=-2)
        d, film = self.encoder.size, (self.encoder.size, self.context_size)
        head = make(keys[0], (self.ways, d), float)
        scale, shift = make(keys[1], film, float), make(keys[2], film, float)
        return Meta(self.encoder.init(encoder_key), head, jnp.zeros(self.ways), scale, shift)

    def adapt_head(self, meta, features, labels):
        """See `AbstractHeadAlgorithm`; the parameters are the context, (C,)."""

        def loss(context, data):
            return softmax_cross_entropy(self.classify(meta, context, data[0]), data[1])

        return gradient_descent(
            loss,
            jnp.zeros(self.context_size, features.dtype),
            (features, labels),
            self.num_steps,
            optimizer=optax.sgd(self.step_size),
            adjoint=self.adjoint,
        )

    def classify(self, meta, head, features):
        """Logits under the context `head`."""
        modulated = features * (1 + meta.scale @ head)[None] + (meta.shift @ head)[None]
        return modulated @ meta.head.T + meta.bias[None]
