"""Linear networks, of any depth: a product of matrices, one of them being logistic regression."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from .classifier import AbstractModel
from .criterion import AbstractCriterion, CrossEntropy
from .encoder import AbstractNetwork


class LinNet(AbstractModel):
    """A classifier that is linear in its inputs, however many layers it has; no activations.

    Without hidden layers it is logistic regression. Of two classes one number is enough: the
    first has logit 0.

    **Fields:**

    - `in_size`: numbers in an input.
    - `widths`: of the hidden layers.
    - `ways`: the number N of classes, at least 2.
    - `bias`: whether each layer has one.
    - `scale`: weights start uniform within ± scale/√(layer's inputs); 1 as in PyTorch.
    - `criterion`: what the outputs should be.

    Source: Decoupling Adaptation from Modeling (2020), Section 3.2 and Appendix A.1.1.
    """

    in_size: int = eqx.field(static=True)
    widths: tuple[int, ...] = eqx.field(static=True, default=())
    ways: int = eqx.field(static=True, default=2)
    bias: bool = eqx.field(static=True, default=False)
    scale: float = eqx.field(static=True, default=1.0)
    criterion: AbstractCriterion = CrossEntropy()  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]

    def __check_init__(self):
        if min(self.in_size, *self.widths, self.ways - 1) < 1:
            raise ValueError(
                "LinNet needs a positive in_size, positive widths and at least 2 ways; "
                f"got {self.in_size}, {self.widths} and {self.ways}."
            )

    @property
    def size(self) -> int:
        """The number of logits."""
        return self.ways

    def init(self, key: PRNGKeyArray) -> "LinNetNetwork":
        """Uniform weights; biases likewise, where there are any."""
        sizes = (self.in_size, *self.widths, 1 if self.ways == 2 else self.ways)
        weights, biases = [], []
        for k, n, m in zip(jax.random.split(key, len(sizes) - 1), sizes, sizes[1:], strict=False):
            weight_key, bias_key = jax.random.split(k)
            draw = lambda k, shape, r=self.scale / n**0.5: jax.random.uniform(
                k, shape, minval=-r, maxval=r
            )
            weights.append(draw(weight_key, (m, n)))
            biases.append(draw(bias_key, (m,)) if self.bias else None)
        return LinNetNetwork(weights, biases)


class LinNetNetwork(AbstractNetwork):
    """A `LinNet` with its weights, from the input on."""

    weights: list[Array]  # each (outputs, inputs)
    biases: list[Array | None]

    def train(self, images):
        """See `AbstractNetwork`."""
        return self(images), self

    def __call__(self, images: Float[Array, "B *shape"]) -> Float[Array, "B N"]:
        """Logits: of the collapsed network, which is far cheaper on more than a few inputs."""
        whole = self.collapse()
        (weight,), (bias,) = whole.weights, whole.biases
        x = images.reshape(images.shape[0], -1) @ weight.T
        x = x if bias is None else x + bias[None]
        return x if x.shape[1] > 1 else jnp.concatenate([jnp.zeros_like(x), x], axis=1)

    def collapse(self) -> "LinNetNetwork":
        """The same function as one matrix: what is left to store and run after adaptation."""
        weight, bias = self.weights[-1], self.biases[-1]
        # From the outputs on: there are fewer of them than of anything else.
        for earlier, its_bias in zip(self.weights[-2::-1], self.biases[-2::-1], strict=True):
            if bias is not None and its_bias is not None:
                bias = weight @ its_bias + bias
            weight = weight @ earlier
        return LinNetNetwork([weight], [bias])
