"""Conv-4: the small network of the few-shot literature."""

import equinox as eqx
import jax
from jaxtyping import Array, Float, PRNGKeyArray

from .encoder import AbstractEncoder, AbstractNetwork
from .layers import BatchNorm, Convolution, Normalization, max_pool


class Conv4(AbstractEncoder):
    """Four blocks of 3×3 convolution, batch normalization, ReLU and 2×2 max-pooling; flattened.

    **Fields:**

    - `image_shape`: (height, width, channels), at least 16×16.
    - `channels`: of every block.
    - `normalization`: `"batch"`, `"running"` or `"none"`, see `BatchNorm`.
    - `patches`: see `Convolution`; for methods that adapt the whole network on a CPU.

    Source: MAML (Finn et al. 2017), Section 5.2; COMLN (Deleu et al. 2022), Appendix E.5, where
    d = 1,600 for 84×84 images. The kernels start Glorot-uniform, as in MAML's code.
    """

    image_shape: tuple[int, int, int] = eqx.field(static=True)
    channels: int = eqx.field(static=True, default=64)
    normalization: Normalization = eqx.field(static=True, default="batch")
    patches: bool = eqx.field(static=True, default=False)

    def __check_init__(self):
        if len(self.image_shape) != 3 or min(self.image_shape[:2]) < 16:
            raise ValueError(
                "image_shape must be (height, width, channels), 16×16 at least; "
                f"got {self.image_shape}."
            )

    @property
    def size(self) -> int:
        """See `AbstractEncoder`."""
        return (self.image_shape[0] // 16) * (self.image_shape[1] // 16) * self.channels

    def init(self, key: PRNGKeyArray) -> "Conv4Network":
        """See `AbstractEncoder`."""
        inputs = (self.image_shape[2], *[self.channels] * 3)
        blocks = [
            (
                Convolution.init(k, n, self.channels, patches=self.patches),
                BatchNorm.init(self.channels, self.normalization),
            )
            for k, n in zip(jax.random.split(key, 4), inputs, strict=True)
        ]
        return Conv4Network(blocks)


class Conv4Network(AbstractNetwork):
    """A `Conv4` with its weights."""

    blocks: list[tuple[Convolution, BatchNorm]]

    def train(self, images):
        """See `AbstractNetwork`."""
        x, blocks = images, []
        for convolution, norm in self.blocks:
            x, norm = norm.train(convolution(x))
            x = max_pool(jax.nn.relu(x))
            blocks.append((convolution, norm))
        return x.reshape(x.shape[0], -1), Conv4Network(blocks)

    def __call__(self, images: Float[Array, "B H W C"]) -> Float[Array, "B d"]:
        """See `AbstractNetwork`."""
        x = images
        for convolution, norm in self.blocks:
            x = max_pool(jax.nn.relu(norm(convolution(x))))
        return x.reshape(x.shape[0], -1)
