"""ResNet-12, the large network of the few-shot literature, and ResNet-4 and ResNet-8."""

import equinox as eqx
import jax
from jaxtyping import Array, Float, PRNGKeyArray

from .encoder import AbstractEncoder, AbstractNetwork
from .layers import BatchNorm, Convolution, Normalization, max_pool

_INITIALIZER = jax.nn.initializers.variance_scaling(
    2 / (1 + 0.1**2),
    "fan_out",
    "normal",  # He's, for the slope of 0.1
)


class ResNet12(AbstractEncoder):
    """Four residual blocks of 3×3 convolutions, each followed by 2×2 max-pooling; flattened.

    No global pooling, so that d = 16,000 for 84×84 images, and no DropBlock.

    **Fields:**

    - `image_shape`: (height, width, channels), at least 16×16.
    - `channels`: of the four blocks.
    - `normalization`: `"batch"`, `"running"` or `"none"`, see `BatchNorm`.
    - `layers`: convolutions of a block: 3, or 1 and 2 for ResNet-4 and ResNet-8.
    - `patches`: see `Convolution`; for methods that adapt the whole network on a CPU.

    Source: COMLN (Deleu et al. 2022), Appendix E.5, after Lee et al. 2019; GIMLI (Grefenstette et
    al. 2019), Appendix B, for the smaller ones.
    """

    image_shape: tuple[int, int, int] = eqx.field(static=True)
    channels: tuple[int, int, int, int] = eqx.field(static=True, default=(64, 160, 320, 640))
    normalization: Normalization = eqx.field(static=True, default="running")
    layers: int = eqx.field(static=True, default=3)
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
        return (self.image_shape[0] // 16) * (self.image_shape[1] // 16) * self.channels[-1]

    def init(self, key: PRNGKeyArray) -> "ResNet12Network":
        """See `AbstractEncoder`."""
        inputs = (self.image_shape[2], *self.channels[:3])
        keys = jax.random.split(key, 4)
        settings = self.normalization, self.layers, self.patches
        make = lambda k, n, m: ResidualBlock.init(k, n, m, *settings)
        return ResNet12Network([make(*a) for a in zip(keys, inputs, self.channels, strict=True)])


class ResidualBlock(eqx.Module):
    """Convolutions, and a 1×1 convolution past them, each without bias and normalized."""

    layers: list[tuple[Convolution, BatchNorm]]
    shortcut: tuple[Convolution, BatchNorm]

    @classmethod
    def init(
        cls,
        key: PRNGKeyArray,
        inputs: int,
        outputs: int,
        mode: Normalization,
        layers: int,
        patches: bool,
    ) -> "ResidualBlock":
        """A block with fresh weights."""
        keys = jax.random.split(key, layers + 1)

        def layer(key, inputs, width):
            convolution = Convolution.init(
                key,
                inputs,
                outputs,
                width,
                bias=False,
                patches=patches,
                initializer=_INITIALIZER,
            )
            return convolution, BatchNorm.init(outputs, mode)

        sizes = (inputs, *[outputs] * (layers - 1))
        main = [layer(k, n, 3) for k, n in zip(keys[:-1], sizes, strict=True)]
        return cls(main, layer(keys[-1], inputs, 1))

    def train(self, x: Float[Array, "B H W C"]) -> tuple[Array, "ResidualBlock"]:
        """The block's output as in training, and the block having seen `x`."""
        convolution, norm = self.shortcut
        aside, norm = norm.train(convolution(x))
        shortcut, layers = (convolution, norm), []
        for i, (convolution, norm) in enumerate(self.layers):
            x, norm = norm.train(convolution(x))
            layers.append((convolution, norm))
            x = _rectify(x) if i < len(self.layers) - 1 else x
        return max_pool(_rectify(x + aside)), ResidualBlock(layers, shortcut)

    def __call__(self, x: Float[Array, "B H W C"]) -> Array:
        """The block's output."""
        convolution, norm = self.shortcut
        aside = norm(convolution(x))
        for i, (convolution, norm) in enumerate(self.layers):
            x = norm(convolution(x))
            x = _rectify(x) if i < len(self.layers) - 1 else x
        return max_pool(_rectify(x + aside))


class ResNet12Network(AbstractNetwork):
    """A `ResNet12` with its weights."""

    blocks: list[ResidualBlock]

    def train(self, images):
        """See `AbstractNetwork`."""
        x, blocks = images, []
        for block in self.blocks:
            x, block = block.train(x)
            blocks.append(block)
        return x.reshape(x.shape[0], -1), ResNet12Network(blocks)

    def __call__(self, images: Float[Array, "B H W C"]) -> Float[Array, "B d"]:
        """See `AbstractNetwork`."""
        x = images
        for block in self.blocks:
            x = block(x)
        return x.reshape(x.shape[0], -1)


def _rectify(x: Array) -> Array:
    return jax.nn.leaky_relu(x, 0.1)
