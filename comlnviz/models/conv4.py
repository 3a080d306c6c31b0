"""Conv-4: the small network of the few-shot literature."""

import equinox as eqx
from jaxtyping import PRNGKeyArray

from .conv_net import ConvNetwork
from .encoder import AbstractEncoder
from .layers import Normalization


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

    def init(self, key: PRNGKeyArray) -> ConvNetwork:
        """See `AbstractEncoder`."""
        return ConvNetwork.init(
            key, self.image_shape[2], self.channels, 4, self.normalization,
            patches=self.patches, stride=1, pool=2,
        )  # fmt: skip
