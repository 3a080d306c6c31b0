"""An update rule with a memory: learning to learn by gradient descent."""

from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..counts import check_counts
from .meta_optimizer import AbstractMetaOptimizer, AbstractUpdateRule

_P = 10.0  # gradients below e^-10 are scaled, above it taken by their logarithm


@final
class RecurrentRule(AbstractUpdateRule):
    """One small recurrent network, the same for every number of the model, a state for each.

    **Fields:**

    - `cell`: takes a gradient's logarithm and sign, and its own state.
    - `readout`: the state's part in the update, which is g + readout · state.
    """

    cell: eqx.nn.GRUCell
    readout: Float[Array, " size"]

    def start(self, params):
        """See `AbstractUpdateRule`."""
        floats = eqx.filter(params, eqx.is_inexact_array)
        return jax.tree.map(lambda p: jnp.zeros((*p.shape, len(self.readout)), p.dtype), floats)

    def __call__(self, grads, hidden):
        """See `AbstractUpdateRule`."""

        def remember(g, h):
            flat = h.reshape(-1, h.shape[-1])
            return jax.vmap(self.cell)(_seen(g.ravel()), flat).reshape(h.shape)

        hidden = jax.tree.map(remember, grads, hidden)
        return jax.tree.map(lambda g, h: g + h @ self.readout, grads, hidden), hidden


def _seen(g: Float[Array, " k"]) -> Float[Array, "k 2"]:
    size = jnp.abs(g)
    large = size >= jnp.exp(-_P)
    log = jnp.log(jnp.where(large, size, 1)) / _P
    pair = (jnp.where(large, log, -1), jnp.where(large, jnp.sign(g), jnp.exp(_P) * g))
    return jnp.stack(pair, axis=-1)


@final
class Recurrent(AbstractMetaOptimizer):
    """A gated recurrent unit that sees each number's gradient on its own.

    It starts as gradient descent, the readout being zero.

    **Fields:**

    - `size`: of the state of each number, at least 1.

    Source: Learning to learn by gradient descent by gradient descent (Andrychowicz et al. 2016),
    Section 2.1 and Appendix A for the preprocessing; with a GRU for its LSTM.
    """

    size: int = eqx.field(static=True, default=8)

    def __check_init__(self):
        check_counts(size=self.size)

    def init(self, params, key):
        """See `AbstractMetaOptimizer`."""
        dtype = jnp.result_type(*jax.tree.leaves(eqx.filter(params, eqx.is_inexact_array)))
        cell = eqx.nn.GRUCell(2, self.size, dtype=dtype, key=key)
        return RecurrentRule(cell, jnp.zeros(self.size, dtype))
