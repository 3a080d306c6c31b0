"""What a meta-learning algorithm is, and the two families that most belong to."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from ..models import AbstractEncoder, AbstractNetwork
from ..models.linear_head import softmax_cross_entropy
from ..solution import Solution
from ..tasks import Task

Labelled = tuple[Array, Array]  # inputs (M, ...), one-hot labels (M, N)


def default(method: Callable) -> Callable:
    """Mark what a subclass may replace. Every other implemented method stands."""
    vars(method)["is_default"] = True
    return method


class AbstractAlgorithm(eqx.Module):
    """A way to learn from a support set, and how to learn that way.

    Holds settings only. What is meta-learned is `meta`, a pytree: `init` makes it, everything else
    takes it. All methods are pure and work under `jit` and `vmap`.
    """

    @abstractmethod
    def init(self, key: PRNGKeyArray) -> PyTree:
        """Fresh meta-parameters."""

    @abstractmethod
    def adapt(self, meta: PyTree, support: Labelled) -> Solution:
        """Learn from the support set; `params` of the solution are the learner's."""

    @abstractmethod
    def predict(
        self, meta: PyTree, support: Labelled, inputs: Float[Array, "Q *shape"]
    ) -> Float[Array, "Q N"]:
        """Logits of `inputs` after adaptation to `support`."""

    @abstractmethod
    def logits(self, meta: PyTree, task: Task) -> Float[Array, "Q N"]:
        """Logits of the query set as in meta-training; NaN where the adaptation failed."""

    def meta_loss(self, meta: PyTree, task: Task) -> Float[Array, ""]:
        """Mean cross-entropy on the query set after adaptation to the support set."""
        return softmax_cross_entropy(self.logits(meta, task), self.targets(task.query[1]))

    @default
    def targets(self, labels: Float[Array, "Q N"]) -> Float[Array, "Q N"]:
        """What the meta-loss wants of the queries: their labels, unless an algorithm smooths."""
        return labels

    @default
    def meta_grad(
        self, meta: PyTree, task: Task
    ) -> tuple[tuple[Float[Array, ""], Float[Array, ""]], PyTree]:
        """((loss, accuracy) on the queries, direction of ascent in the meta-parameters)."""

        def loss(meta):
            logits = self.logits(meta, task)
            value = softmax_cross_entropy(logits, self.targets(task.query[1]))
            return value, accuracy(logits, task.query[1])

        return eqx.filter_value_and_grad(loss, has_aux=True)(meta)

    def score(self, meta: PyTree, task: Task) -> Float[Array, ""]:
        """Accuracy on the queries, as at test; NaN where logits are not finite."""
        return accuracy(self.predict(meta, task.support, task.query[0]), task.query[1])

    @default
    def monitor(self, meta: PyTree) -> dict[str, Float[Array, ""]]:
        """A few numbers whose course over meta-training is worth keeping."""
        return {}

    @default
    def after_step(self, meta: PyTree, tasks: Task) -> PyTree:
        """The meta-parameters after what is not a gradient step; `tasks` is the batch just seen."""
        return meta


def accuracy(logits: Float[Array, "Q N"], labels: Float[Array, "Q N"]) -> Float[Array, ""]:
    """The share of rows whose largest logit is at the label; NaN when a logit is not finite."""
    right = jnp.argmax(logits, axis=-1) == jnp.argmax(labels, axis=-1)
    share = jnp.mean(right.astype(logits.dtype))
    return jnp.where(jnp.all(jnp.isfinite(logits)), share, jnp.nan)


def or_nan(solution: Solution, values: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """`values` where the adaptation is ok, else NaN: a failure must not pass for a result."""
    return jnp.where(solution.ok, values, jnp.nan)


def observe_batch(encoder: AbstractNetwork, tasks: Task) -> AbstractNetwork:
    """The encoder having seen all images of a batch of tasks, for its running statistics."""
    images = jnp.concatenate([tasks.support[0], tasks.query[0]], axis=1)
    return encoder.train(images.reshape(-1, *images.shape[2:]))[1]


class AbstractHeadAlgorithm(AbstractAlgorithm):
    """Adapts a linear map on top of an embedding that all tasks share.

    `meta` is a module with a field `encoder`. Support and query sets are embedded apart, so that
    batch statistics of the queries never reach the support set.
    """

    encoder: eqx.AbstractVar[AbstractEncoder]
    ways: eqx.AbstractVar[int]

    @abstractmethod
    def adapt_head(
        self, meta: Any, features: Float[Array, "M d"], labels: Float[Array, "M N"]
    ) -> Solution:
        """Learn from embedded examples."""

    @default
    def classify(self, meta: Any, head: Any, features: Float[Array, "Q d"]) -> Float[Array, "Q N"]:
        """Logits of embedded examples; `head` are the adapted parameters."""
        return features @ head.T

    def adapt(self, meta, support):
        """See `AbstractAlgorithm`."""
        return self.adapt_head(meta, meta.encoder(support[0]), support[1])

    def predict(self, meta, support, inputs):
        """See `AbstractAlgorithm`."""
        solution = self.adapt(meta, support)
        return or_nan(solution, self.classify(meta, solution.params, meta.encoder(inputs)))

    def logits(self, meta, task):
        """See `AbstractAlgorithm`."""
        embed = lambda inputs: meta.encoder.train(inputs)[0]
        solution = self.adapt_head(meta, embed(task.support[0]), task.support[1])
        return or_nan(solution, self.classify(meta, solution.params, embed(task.query[0])))

    @default
    def after_step(self, meta, tasks):
        """See `AbstractAlgorithm`."""
        return eqx.tree_at(lambda m: m.encoder, meta, observe_batch(meta.encoder, tasks))


class AbstractNetworkAlgorithm(AbstractAlgorithm):
    """Adapts the whole network, encoder and head. `meta` is the network, or holds it."""

    model: eqx.AbstractVar[AbstractEncoder]

    @default
    def init(self, key) -> PyTree:
        """See `AbstractAlgorithm`."""
        return self.model.init(key)

    def predict(self, meta, support, inputs):
        """See `AbstractAlgorithm`."""
        solution = self.adapt(meta, support)
        return or_nan(solution, solution.params(inputs))

    def logits(self, meta, task):
        """See `AbstractAlgorithm`."""
        return self.predict(meta, task.support, task.query[0])


def network_loss(network: AbstractNetwork, data: Labelled) -> Float[Array, ""]:
    """Mean cross-entropy of a network's logits: the inner loss of MAML and its kin."""
    return softmax_cross_entropy(network(data[0]), data[1])
