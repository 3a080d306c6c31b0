"""ANIL: a few gradient steps on the last layer only."""

from typing import final

import equinox as eqx
import jax
import optax
from jaxtyping import Array, Float

from ..adjoints import AbstractDescentAdjoint, StoredStates
from ..inner import gradient_descent
from ..models import AbstractEncoder, AbstractNetwork, cross_entropy
from .base import AbstractHeadAlgorithm


class Meta(eqx.Module):
    """What ANIL learns: the encoder and the initial head."""

    encoder: AbstractNetwork
    W0: Float[Array, "N d"]


@final
class ANIL(AbstractHeadAlgorithm):
    """Almost no inner loop: MAML with the head as the only adapted layer.

    Exact: differentiates through every step. It is COMLN with Euler's method and T = α · steps
    fixed.

    **Fields:**

    - `encoder`, `ways`: the embedding network's recipe, and the number N of classes.
    - `step_size`, `num_steps`: α and the number of gradient steps.
    - `adjoint`: as in `gradient_descent`.

    Source: ANIL (Raghu et al. 2020), Section 4; COMLN (Deleu et al. 2022), Section 3.3.
    """

    encoder: AbstractEncoder
    ways: int = eqx.field(static=True)
    step_size: float = 0.01
    num_steps: int = eqx.field(static=True, default=5)
    adjoint: AbstractDescentAdjoint = StoredStates()

    def init(self, key):
        """Fresh encoder, Glorot-uniform head."""
        encoder_key, head_key = jax.random.split(key)
        make = jax.nn.initializers.glorot_uniform(in_axis=-1, out_axis=-2)
        W0 = make(head_key, (self.ways, self.encoder.size), float)
        return Meta(self.encoder.init(encoder_key), W0)

    def adapt_head(self, meta, features, labels):
        """See `AbstractHeadAlgorithm`."""
        return gradient_descent(
            cross_entropy,
            meta.W0,
            (features, labels),
            self.num_steps,
            optimizer=optax.sgd(self.step_size),
            adjoint=self.adjoint,
        )
