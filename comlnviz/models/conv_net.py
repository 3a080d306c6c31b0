"""Convolutional networks of 3×3 blocks: any number of them, halved by strides or by pooling."""

from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from .encoder import AbstractEncoder, AbstractNetwork
from .layers import BatchNorm, Convolution, Normalization, max_pool


class ConvNet(AbstractEncoder):
    """`layers` blocks of 3×3 convolution, batch normalization and ReLU.

    With `reduce="stride"` every convolution has stride 2, and the embedding is the mean over what
    is left of the image, so that its size is that of the channels whatever the number of layers.
    With `reduce="pool"` blocks end with max-pooling, wider where there are fewer of them, and the
    embedding is all that is left: 4 and 2 layers both make 5×5 of 84×84.

    **Fields:**

    - `image_shape`: (height, width, channels).
    - `channels`: of every block.
    - `layers`: 1 to 4.
    - `reduce`: `"stride"` for Omniglot and CIFAR-FS, `"pool"` for miniImageNet.
    - `normalization`, `patches`: as in `Conv4`.

    Source: Decoupling Adaptation from Modeling (2020), Section 5.2 and Appendix A.1.2, after MAML
    (Finn et al. 2017); the pool sizes are not in the text: they follow from its parameter counts.
    """

    image_shape: tuple[int, int, int] = eqx.field(static=True)
    channels: int = eqx.field(static=True, default=64)
    layers: int = eqx.field(static=True, default=4)
    reduce: Literal["stride", "pool"] = eqx.field(static=True, default="stride")
    normalization: Normalization = eqx.field(static=True, default="batch")
    patches: bool = eqx.field(static=True, default=False)

    def __check_init__(self):
        if not 1 <= self.layers <= 4:
            raise ValueError(f"layers must be from 1 to 4; got {self.layers}.")
        if self.reduce not in ("stride", "pool"):
            raise ValueError(f"reduce must be 'stride' or 'pool'; got {self.reduce!r}.")
        if len(self.image_shape) != 3 or min(self.image_shape[:2]) < 16:
            raise ValueError(
                "image_shape must be (height, width, channels), 16×16 at least; "
                f"got {self.image_shape}."
            )

    @property
    def _pool(self) -> int:
        return 2 * (4 // self.layers) if self.reduce == "pool" else 1

    @property
    def size(self) -> int:
        """See `AbstractEncoder`."""
        if self.reduce == "stride":
            return self.channels
        height, width = self.image_shape[:2]
        for _ in range(self.layers):
            height, width = height // self._pool, width // self._pool
        return height * width * self.channels

    def init(self, key: PRNGKeyArray) -> "ConvNetwork":
        """See `AbstractEncoder`."""
        return ConvNetwork.init(
            key, self.image_shape[2], self.channels, self.layers, self.normalization,
            patches=self.patches, stride=2 if self.reduce == "stride" else 1, pool=self._pool,
        )  # fmt: skip


class ConvNetwork(AbstractNetwork):
    """A `ConvNet` or `Conv4` with its weights.

    **Fields:**

    - `blocks`: convolution and normalization of each.
    - `pool`: the width of the max-pooling that ends a block; with 1 there is none, and the
      embedding is the mean over the image.
    """

    blocks: list[tuple[Convolution, BatchNorm]]
    pool: int = eqx.field(static=True)

    @classmethod
    def init(
        cls,
        key: PRNGKeyArray,
        inputs: int,
        channels: int,
        layers: int,
        normalization: Normalization,
        *,
        patches: bool,
        stride: int,
        pool: int,
    ) -> "ConvNetwork":
        """Glorot-uniform kernels."""
        sizes = (inputs, *[channels] * (layers - 1))
        blocks = [
            (
                Convolution.init(k, n, channels, patches=patches, stride=stride),
                BatchNorm.init(channels, normalization),
            )
            for k, n in zip(jax.random.split(key, layers), sizes, strict=True)
        ]
        return cls(blocks, pool)

    def train(self, images):
        """See `AbstractNetwork`."""
        x, blocks = images, []
        for convolution, norm in self.blocks:
            x, norm = norm.train(convolution(x))
            x = self._reduced(jax.nn.relu(x))
            blocks.append((convolution, norm))
        return self._embedding(x), ConvNetwork(blocks, self.pool)

    def __call__(self, images: Float[Array, "B H W C"]) -> Float[Array, "B d"]:
        """See `AbstractNetwork`."""
        x = images
        for convolution, norm in self.blocks:
            x = self._reduced(jax.nn.relu(norm(convolution(x))))
        return self._embedding(x)

    def _reduced(self, x: Array) -> Array:
        return x if self.pool == 1 else max_pool(x, self.pool)

    def _embedding(self, x: Array) -> Array:
        return jnp.mean(x, axis=(1, 2)) if self.pool == 1 else x.reshape(x.shape[0], -1)
