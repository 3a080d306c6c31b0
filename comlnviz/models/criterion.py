"""What a learner's outputs should be: the loss it descends, and the score it is judged by."""

from abc import abstractmethod
from typing import ClassVar, final

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from .encoder import AbstractNetwork
from .linear_head import softmax_cross_entropy

Labelled = tuple[Array, Array]  # inputs (M, ...), labels (M, N)


class AbstractCriterion(eqx.Module):
    """A loss and a score of outputs against labels; called on a network, the inner loss."""

    lower_is_better: ClassVar[bool]
    """Whether the score is an error."""

    @abstractmethod
    def loss(self, outputs: Float[Array, "M N"], labels: Float[Array, "M N"]) -> Float[Array, ""]:
        """What is descended, in the inner and in the outer loop."""

    @abstractmethod
    def score(self, outputs: Float[Array, "M N"], labels: Float[Array, "M N"]) -> Float[Array, ""]:
        """What is reported; NaN when an output is not finite."""

    def __call__(self, network: AbstractNetwork, data: Labelled) -> Float[Array, ""]:
        """The loss of a network's outputs on labelled inputs."""
        return self.loss(network(data[0]), data[1])


@final
class CrossEntropy(AbstractCriterion):
    """Classification: mean cross-entropy of logits, and accuracy."""

    lower_is_better = False

    def loss(self, outputs, labels):
        """Labels are one-hot rows, or smoothed."""
        return softmax_cross_entropy(outputs, labels)

    def score(self, outputs, labels):
        """See `accuracy`."""
        return accuracy(outputs, labels)


@final
class SquaredError(AbstractCriterion):
    """Regression: half the mean squared error, and its root's normalized kin.

    The score is the root mean squared error in the unit of the labels. Where those are
    standardized over all tasks, as the authors' released code does, it is the normalized one,
    nRMSE: 1 for who always answers the mean of all tasks. The paper names nRMSE without saying by
    what it divides.

    Source: A-MAML (Li et al. 2023), Section 5.1; the factor ½ from its released code.
    """

    lower_is_better = True

    def loss(self, outputs, labels):
        """Labels are values; one that is NaN does not count."""
        return self.squared(outputs, labels) / 2

    def score(self, outputs, labels):
        """The root mean squared error."""
        return jnp.sqrt(self.squared(outputs, labels))

    def squared(
        self, outputs: Float[Array, "M N"], labels: Float[Array, "M N"]
    ) -> Float[Array, ""]:
        """The mean squared error where there are labels."""
        there = ~jnp.isnan(labels)
        errors = jnp.where(there, outputs - jnp.where(there, labels, 0), 0)
        return jnp.sum(errors**2) / jnp.sum(there)


def accuracy(logits: Float[Array, "Q N"], labels: Float[Array, "Q N"]) -> Float[Array, ""]:
    """The share of rows whose largest logit is at the label; NaN when a logit is not finite."""
    right = jnp.argmax(logits, axis=-1) == jnp.argmax(labels, axis=-1)
    share = jnp.mean(right.astype(logits.dtype))
    return jnp.where(jnp.all(jnp.isfinite(logits)), share, jnp.nan)
