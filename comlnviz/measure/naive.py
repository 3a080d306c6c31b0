"""Forward sensitivity as its definition says, to be measured beside what makes it affordable."""

from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..adjoints import Unrolled
from ..algorithms import AbstractHeadAlgorithm
from ..algorithms.anil import Meta
from ..inner import gradient_flow
from ..models import AbstractEncoder, cross_entropy
from ..solution import Solution


@final
class NaiveForward(AbstractHeadAlgorithm):
    """COMLN's flow, with dW/dW0 and dW/dφ carried beside it in full.

    Exact, and of a size that its name announces: N·d × (N·d + M·d) numbers.

    **Fields:**

    - `encoder`, `ways`: the embedding network's recipe, and the number N of classes.
    - `T`: how long it adapts.
    - `solver`, `rtol`, `atol`, `max_steps`: as in `gradient_flow`.

    Source: COMLN (Deleu et al. 2022), Section 3.2, equations (9) and (10), and Table 1.
    """

    encoder: AbstractEncoder
    ways: int = eqx.field(static=True)
    T: float | Float[Array, ""] = 1.0
    solver: str = eqx.field(static=True, default="dopri5")
    rtol: float = 1e-6
    atol: float = 1e-6
    max_steps: int = eqx.field(static=True, default=4096)

    def init(self, key):
        """Fresh encoder, Glorot-uniform head."""
        encoder_key, head_key = jax.random.split(key)
        make = jax.nn.initializers.glorot_uniform(in_axis=-1, out_axis=-2)
        W0 = make(head_key, (self.ways, self.encoder.size), float)
        return Meta(self.encoder.init(encoder_key), W0)

    def adapt_head(self, meta, features, labels) -> Solution:
        """See `AbstractHeadAlgorithm`."""

        def flow(start):
            W0, features = start
            return gradient_flow(
                cross_entropy, W0, (features, labels), self.T, solver=self.solver,
                rtol=self.rtol, atol=self.atol, max_steps=self.max_steps, adjoint=Unrolled(),
                throw=False,
            )  # fmt: skip

        @jax.custom_vjp
        def adapted(start):
            return flow(start).params

        def forward(start):
            jacobians, W = jax.jacfwd(lambda s: (flow(s).params,) * 2, has_aux=True)(start)
            return W, jacobians

        def backward(jacobians, cotangent):
            contract = lambda J: jnp.tensordot(cotangent, J, axes=cotangent.ndim)
            return (jax.tree.map(contract, jacobians),)

        adapted.defvjp(forward, backward)
        solution = jax.lax.stop_gradient(flow((meta.W0, features)))
        return eqx.tree_at(lambda s: s.params, solution, adapted((meta.W0, features)))
