"""A multilayer perceptron as an encoder."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from .encoder import AbstractEncoder, AbstractNetwork


class MLP(AbstractEncoder):
    """Fully connected layers, each followed by the activation; inputs are flattened.

    **Fields:**

    - `in_size`: numbers in an input.
    - `widths`: of the layers; the last is d.
    - `activation`: after every layer.
    """

    in_size: int = eqx.field(static=True)
    widths: tuple[int, ...] = eqx.field(static=True)
    activation: Callable[[Array], Array] = eqx.field(static=True, default=jax.nn.relu)

    def __check_init__(self):
        if not self.widths or min(self.in_size, *self.widths) < 1:
            raise ValueError(
                "MLP needs a positive in_size and at least one positive width; "
                f"got {self.in_size} and {self.widths}."
            )

    @property
    def size(self) -> int:
        """See `AbstractEncoder`."""
        return self.widths[-1]

    def init(self, key: PRNGKeyArray) -> "MLPNetwork":
        """Glorot-uniform weights, zero biases."""
        sizes = (self.in_size, *self.widths)
        make = jax.nn.initializers.glorot_uniform(in_axis=-1, out_axis=-2)
        keys = jax.random.split(key, len(self.widths))
        layers = [
            (make(k, (m, n), float), jnp.zeros(m))
            for k, n, m in zip(keys, sizes, self.widths, strict=False)
        ]
        return MLPNetwork(layers, self.activation)


class MLPNetwork(AbstractNetwork):
    """An `MLP` with its weights."""

    layers: list[tuple[Array, Array]]  # weight, bias
    activation: Callable[[Array], Array] = eqx.field(static=True)

    def train(self, images):
        """See `AbstractNetwork`."""
        return self(images), self

    def __call__(self, images: Float[Array, "B *shape"]) -> Float[Array, "B d"]:
        """See `AbstractNetwork`."""
        x = images.reshape(images.shape[0], -1)
        for weight, bias in self.layers:
            x = self.activation(x @ weight.T + bias[None])
        return x
