"""An encoder with a linear head: the whole network that MAML adapts."""

from abc import abstractmethod

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from .criterion import AbstractCriterion, CrossEntropy
from .encoder import AbstractEncoder, AbstractNetwork


class AbstractModel(AbstractEncoder):
    """A recipe for whole networks, which says what their outputs should be."""

    @property
    @abstractmethod
    def criterion(self) -> AbstractCriterion:
        """The loss and the score of the outputs."""


class Classifier(AbstractModel):
    """A recipe for networks whose outputs are `ways` logits.

    **Fields:**

    - `encoder`: everything below the head.
    - `ways`: the number N of classes.
    - `criterion`: what the outputs should be; with `SquaredError()` they are N values in place of
      logits, and the network learns a function.
    """

    encoder: AbstractEncoder
    ways: int = eqx.field(static=True)
    criterion: AbstractCriterion = CrossEntropy()  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]

    @property
    def size(self) -> int:
        """The number of logits."""
        return self.ways

    def init(self, key: PRNGKeyArray) -> "ClassifierNetwork":
        """A fresh encoder; the head Glorot-uniform, its bias zero."""
        encoder_key, head_key = jax.random.split(key)
        make = jax.nn.initializers.glorot_uniform(in_axis=-1, out_axis=-2)
        head = make(head_key, (self.ways, self.encoder.size), float)
        return ClassifierNetwork(self.encoder.init(encoder_key), head, jnp.zeros(self.ways))


class ClassifierNetwork(AbstractNetwork):
    """A `Classifier` with its weights."""

    encoder: AbstractNetwork
    head: Float[Array, "N d"]
    bias: Float[Array, " N"]

    def train(self, images):
        """See `AbstractNetwork`."""
        features, encoder = self.encoder.train(images)
        logits = features @ self.head.T + self.bias[None]
        return logits, ClassifierNetwork(encoder, self.head, self.bias)

    def __call__(self, images: Float[Array, "B *shape"]) -> Float[Array, "B N"]:
        """See `AbstractNetwork`."""
        return self.encoder(images) @ self.head.T + self.bias[None]
