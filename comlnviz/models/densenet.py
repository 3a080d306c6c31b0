"""DenseNet: every layer sees all that came before it."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from .encoder import AbstractEncoder, AbstractNetwork
from .layers import BatchNorm, Convolution, Normalization, average_pool


class DenseNet(AbstractEncoder):
    """Blocks of densely connected layers (DenseNet-BC), halved in between; the mean over the image.

    As it comes it is DenseNet-8: four blocks of two layers, no convolution before them.
    DenseNet-BC (k = 12) with 100 layers is `DenseNet((32, 32, 3), 12, (16, 16, 16), stem=24)`.

    **Fields:**

    - `image_shape`: (height, width, channels); each block but the first halves height and width.
    - `growth`: k, the channels that a layer adds.
    - `layers`: of each block.
    - `stem`: channels of a 3×3 convolution before the first block; 0 for none.
    - `normalization`: `"batch"`, `"running"` or `"none"`, see `BatchNorm`.
    - `patches`: see `Convolution`; for methods that adapt the whole network on a CPU.

    Source: Huang et al. 2017; GIMLI (Grefenstette et al. 2019), Section 5.1 and Appendix B. The
    kernels start with He's normal initialization.
    """

    image_shape: tuple[int, int, int] = eqx.field(static=True)
    growth: int = eqx.field(static=True, default=32)
    layers: tuple[int, ...] = eqx.field(static=True, default=(2, 2, 2, 2))
    stem: int = eqx.field(static=True, default=0)
    normalization: Normalization = eqx.field(static=True, default="batch")
    patches: bool = eqx.field(static=True, default=False)

    def __check_init__(self):
        least = 2 ** (len(self.layers) - 1)
        if len(self.image_shape) != 3 or min(self.image_shape[:2]) < least:
            raise ValueError(
                f"image_shape must be (height, width, channels), {least}×{least} at least for "
                f"{len(self.layers)} blocks; got {self.image_shape}."
            )

    def _widths(self) -> list[int]:
        """Channels that come into each block, and those that leave the last."""
        widths = [self.stem or self.image_shape[2]]
        for i, count in enumerate(self.layers):
            width = widths[-1] + count * self.growth
            widths.append(width if i == len(self.layers) - 1 else width // 2)
        return widths

    @property
    def size(self) -> int:
        """See `AbstractEncoder`."""
        return self._widths()[-1]

    def init(self, key: PRNGKeyArray) -> "DenseNetwork":
        """See `AbstractEncoder`."""
        keys = iter(jax.random.split(key, 2 * sum(self.layers) + len(self.layers)))
        convolve = lambda inputs, outputs, width: Convolution.init(
            next(keys), inputs, outputs, width, bias=False, patches=self.patches,
            initializer=jax.nn.initializers.he_normal(),
        )  # fmt: skip
        norm = lambda channels: BatchNorm.init(channels, self.normalization)
        widths, blocks, transitions = self._widths(), [], []
        stem = [convolve(self.image_shape[2], self.stem, 3)] if self.stem else []
        for i, count in enumerate(self.layers):
            block, n = [], widths[i]
            for _ in range(count):
                inner = 4 * self.growth
                layer = norm(n), convolve(n, inner, 1), norm(inner), convolve(inner, self.growth, 3)
                block.append(DenseLayer(*layer))
                n += self.growth
            blocks.append(block)
            if i < len(self.layers) - 1:
                transitions.append((norm(n), convolve(n, widths[i + 1], 1)))
        return DenseNetwork(stem, blocks, transitions, norm(widths[-1]))


class DenseLayer(eqx.Module):
    """BN, ReLU, 1×1 convolution, BN, ReLU, 3×3 convolution; what comes in is kept beside it."""

    norm: BatchNorm
    narrow: Convolution
    inner_norm: BatchNorm
    convolution: Convolution

    def train(self, x: Float[Array, "B H W C"]) -> tuple[Array, "DenseLayer"]:
        """The layer's output as in training, and the layer having seen `x`."""
        y, norm = self.norm.train(x)
        y, inner_norm = self.inner_norm.train(self.narrow(jax.nn.relu(y)))
        out = jnp.concatenate([x, self.convolution(jax.nn.relu(y))], axis=-1)
        return out, DenseLayer(norm, self.narrow, inner_norm, self.convolution)

    def __call__(self, x: Float[Array, "B H W C"]) -> Array:
        """The layer's output."""
        y = self.inner_norm(self.narrow(jax.nn.relu(self.norm(x))))
        return jnp.concatenate([x, self.convolution(jax.nn.relu(y))], axis=-1)


class DenseNetwork(AbstractNetwork):
    """A `DenseNet` with its weights."""

    stem: list[Convolution]
    blocks: list[list[DenseLayer]]
    transitions: list[tuple[BatchNorm, Convolution]]
    norm: BatchNorm

    def train(self, images):
        """See `AbstractNetwork`."""
        x, blocks, transitions = images, [], []
        for convolution in self.stem:
            x = convolution(x)
        for i, block in enumerate(self.blocks):
            seen = []
            for layer in block:
                x, layer = layer.train(x)
                seen.append(layer)
            blocks.append(seen)
            if i < len(self.transitions):
                norm, convolution = self.transitions[i]
                x, norm = norm.train(x)
                x = average_pool(convolution(jax.nn.relu(x)))
                transitions.append((norm, convolution))
        x, norm = self.norm.train(x)
        out = jnp.mean(jax.nn.relu(x), axis=(1, 2))
        return out, DenseNetwork(self.stem, blocks, transitions, norm)

    def __call__(self, images: Float[Array, "B H W C"]) -> Float[Array, "B d"]:
        """See `AbstractNetwork`."""
        x = images
        for convolution in self.stem:
            x = convolution(x)
        for i, block in enumerate(self.blocks):
            for layer in block:
                x = layer(x)
            if i < len(self.transitions):
                norm, convolution = self.transitions[i]
                x = average_pool(convolution(jax.nn.relu(norm(x))))
        return jnp.mean(jax.nn.relu(self.norm(x)), axis=(1, 2))
