"""The layers of the image networks, on batches of (height, width, channels)."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

Normalization = str  # "batch", "running" or "none"

_EPSILON, _MOMENTUM = 1e-5, 0.9


class Convolution(eqx.Module):
    """A convolution whose output has the size of its input, divided by the stride.

    **Fields:**

    - `kernel`, of odd width; `bias` (or none).
    - `patches`: compute it as one matrix product with the patches of the image. On a CPU that is
      a little slower where all tasks share a kernel and three times faster where `vmap` gives
      every task its own, as MAML does; it takes the memory of nine images for one.
    """

    kernel: Float[Array, "k k inputs outputs"]
    bias: Float[Array, " outputs"] | None
    patches: bool = eqx.field(static=True)
    stride: int = eqx.field(static=True, default=1)

    @classmethod
    def init(
        cls,
        key: PRNGKeyArray,
        inputs: int,
        outputs: int,
        width: int = 3,
        *,
        bias: bool = True,
        patches: bool = False,
        stride: int = 1,
        initializer: jax.nn.initializers.Initializer | None = None,
    ) -> "Convolution":
        """A `width`×`width` kernel, Glorot-uniform unless an initializer is given; zero bias."""
        make = initializer or jax.nn.initializers.glorot_uniform()
        kernel = make(key, (width, width, inputs, outputs), float)
        return cls(kernel, jnp.zeros(outputs) if bias else None, patches, stride)

    def __call__(self, x: Float[Array, "B H W inputs"]) -> Float[Array, "B H2 W2 outputs"]:
        """The convolved batch."""
        kernel = self.kernel.astype(x.dtype)
        if self.patches:
            near = _patches(x, kernel.shape[0], self.stride)
            out = near @ kernel.reshape(-1, kernel.shape[-1])
        else:
            edge = kernel.shape[0] // 2
            out = jax.lax.conv_general_dilated(
                x, kernel, (self.stride, self.stride), [(edge, edge)] * 2,
                dimension_numbers=("NHWC", "HWIO", "NHWC"),
            )  # fmt: skip
        return out if self.bias is None else out + self.bias.astype(x.dtype)[None, None, None]


def _patches(x: Float[Array, "B H W C"], width: int, stride: int) -> Float[Array, "B H2 W2 C2"]:
    """Each `stride`-th pixel's `width`×`width` neighbourhood, zero beyond the edge."""
    near = width // 2
    padded = jnp.pad(x, ((0, 0), (near, near), (near, near), (0, 0)))
    H, W = x.shape[1:3]
    part = lambda i, size: slice(i, i + size, stride)
    shifted = [padded[:, part(i, H), part(j, W)] for i in range(width) for j in range(width)]
    return jnp.concatenate(shifted, axis=-1)


class BatchNorm(eqx.Module):
    """Batch normalization, over everything but the channels.

    **Fields:**

    - `scale`, `offset`: learned.
    - `mean`, `variance`: running statistics, moved by `train` and never by a gradient.
    - `mode`: `"batch"` takes the statistics of the batch at hand, in training and at test, the
      *transductive* way of MAML's code: a query is judged with the help of the other queries.
      `"running"` takes the stored ones at test (Ioffe & Szegedy 2015). `"none"` does nothing.
    """

    scale: Float[Array, " C"]
    offset: Float[Array, " C"]
    mean: Float[Array, " C"]
    variance: Float[Array, " C"]
    mode: Normalization = eqx.field(static=True)

    @classmethod
    def init(cls, channels: int, mode: Normalization) -> "BatchNorm":
        """Scale and variance one, offset and mean zero.

        **Raises** `ValueError` for an unknown mode.
        """
        if mode not in ("batch", "running", "none"):
            raise ValueError(f"normalization must be 'batch', 'running' or 'none'; got {mode!r}.")
        one, zero = jnp.ones(channels), jnp.zeros(channels)
        return cls(one, zero, zero, one, mode)

    def train(self, x: Float[Array, "*B C"]) -> tuple[Float[Array, "*B C"], "BatchNorm"]:
        """The batch normalized by its own statistics, and the layer having seen it."""
        if self.mode == "none":
            return x, self
        axes = tuple(range(x.ndim - 1))
        mean = jnp.mean(x, axis=axes, keepdims=True)
        variance = jnp.mean((x - mean) ** 2, axis=axes, keepdims=True)
        out = self._apply(x, mean, variance)
        if self.mode == "batch":
            return out, self
        moved = lambda old, new: jax.lax.stop_gradient(
            _MOMENTUM * old + (1 - _MOMENTUM) * new.reshape(old.shape).astype(old.dtype)
        )
        new = moved(self.mean, mean), moved(self.variance, variance)
        return out, eqx.tree_at(lambda n: (n.mean, n.variance), self, new)

    def __call__(self, x: Float[Array, "*B C"]) -> Float[Array, "*B C"]:
        """The batch normalized as the mode says."""
        if self.mode != "running":
            return self.train(x)[0]
        stored = (self.mean, self.variance)
        return self._apply(x, *(jax.lax.stop_gradient(s) for s in stored))

    def _apply(self, x: Array, mean: Array, variance: Array) -> Array:
        shape = (1,) * (x.ndim - 1) + (-1,)
        mean, variance, scale, offset = (
            v.reshape(shape).astype(x.dtype) for v in (mean, variance, self.scale, self.offset)
        )
        return (x - mean) * (scale * jax.lax.rsqrt(variance + _EPSILON)) + offset


def average_pool(x: Float[Array, "B H W C"], width: int = 2) -> Float[Array, "B H2 W2 C"]:
    """The mean of each `width`×`width` block; rows and columns left over are dropped."""
    return jnp.mean(_blocks(x, width), axis=(2, 4))


def max_pool(x: Float[Array, "B H W C"], width: int = 2) -> Float[Array, "B H2 W2 C"]:
    """The largest of each `width`×`width` block; rows and columns left over are dropped.

    Of equal ones the first has the gradient. By comparing pixel with pixel: the gradient of XLA's
    windowed reduction takes twice as long on a CPU, and that of `jnp.max` looks for the pixel that
    equals the largest, which XLA may have computed twice, with another last digit. None is found
    then, and the gradient is lost.
    """
    blocks = _blocks(x, width)
    pixels = (blocks[:, :, i, :, j] for i in range(width) for j in range(width))
    larger = lambda a, b: jnp.where((a >= b) | jnp.isnan(a), a, b)
    return functools.reduce(larger, pixels)


def _blocks(x: Float[Array, "B H W C"], width: int) -> Float[Array, "B H2 w W2 w C"]:
    B, H, W, C = x.shape
    H, W = H // width, W // width
    return x[:, : H * width, : W * width].reshape(B, H, width, W, width, C)
