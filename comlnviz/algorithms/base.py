"""What a meta-learning algorithm is, and the two families that most belong to."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from ..full_precision import in_full_precision
from ..models import (
    AbstractCriterion,
    AbstractEncoder,
    AbstractModel,
    AbstractNetwork,
    CrossEntropy,
    Labelled,
)
from ..solution import Solution
from ..tasks import Task


def default(method: Callable) -> Callable:
    """Mark what a subclass may replace. Every other implemented method stands."""
    vars(method)["is_default"] = True
    return method


# Names by which a profile tells what a program is at; see `comlnviz.measure.profile`.
ADAPTATION, BACKBONE = "adaptation", "backbone"


class AbstractAlgorithm(eqx.Module):
    """A way to learn from a support set, and how to learn that way.

    Holds settings only. What is meta-learned is `meta`, a pytree: `init` makes it, everything else
    takes it. All methods are pure and work under `jit` and `vmap`.
    """

    @property
    @abstractmethod
    def criterion(self) -> AbstractCriterion:
        """The loss and the score."""

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
        """Logits (or, where a function is learned, values) of `inputs` after adaptation."""

    @abstractmethod
    def logits(self, meta: PyTree, task: Task) -> Float[Array, "Q N"]:
        """Logits of the query set as in meta-training; NaN where the adaptation failed."""

    def meta_loss(self, meta: PyTree, task: Task) -> Float[Array, ""]:
        """The loss on the query set after adaptation to the support set."""
        return self.criterion.loss(self.logits(meta, task), self.targets(task.query[1]))

    @default
    def targets(self, labels: Float[Array, "Q N"]) -> Float[Array, "Q N"]:
        """What the meta-loss wants of the queries: their labels, unless an algorithm smooths."""
        return labels

    @default
    def meta_grad(
        self, meta: PyTree, task: Task
    ) -> tuple[tuple[Float[Array, ""], Float[Array, ""]], PyTree]:
        """((loss, score) on the queries, direction of ascent in the meta-parameters)."""

        def loss(meta):
            logits = self.logits(meta, task)
            value = self.criterion.loss(logits, self.targets(task.query[1]))
            return value, self.criterion.score(logits, task.query[1])

        return eqx.filter_value_and_grad(loss, has_aux=True)(meta)

    def score(self, meta: PyTree, task: Task) -> Float[Array, ""]:
        """The score on the queries, as at test; NaN where outputs are not finite."""
        return self.criterion.score(self.predict(meta, task.support, task.query[0]), task.query[1])

    @default
    def monitor(self, meta: PyTree) -> dict[str, Float[Array, ""]]:
        """A few numbers whose course over meta-training is worth keeping."""
        return {}

    @default
    def after_step(self, meta: PyTree, tasks: Task) -> PyTree:
        """The meta-parameters after what is not a gradient step; `tasks` is the batch just seen."""
        return meta


def or_nan(solution: Solution, values: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """`values` where the adaptation is ok, else NaN: a failure must not pass for a result."""
    return jnp.where(solution.ok, values, jnp.nan)


@jax.named_scope(BACKBONE)
def _embedded(network: Callable, inputs: Float[Array, "B *shape"]) -> Float[Array, "B d"]:
    return network(inputs)


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

    @property
    def criterion(self) -> AbstractCriterion:
        """Heads classify."""
        return CrossEntropy()

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
        return self._adapt_embedded(meta, _embedded(meta.encoder, support[0]), support[1])

    def predict(self, meta, support, inputs):
        """See `AbstractAlgorithm`."""
        solution = self.adapt(meta, support)
        features = _embedded(meta.encoder, inputs)
        return or_nan(solution, self._classified(meta, solution.params, features))

    def logits(self, meta, task):
        """See `AbstractAlgorithm`."""
        embed = lambda inputs: _embedded(lambda x: meta.encoder.train(x)[0], inputs)
        solution = self._adapt_embedded(meta, embed(task.support[0]), task.support[1])
        return or_nan(solution, self._classified(meta, solution.params, embed(task.query[0])))

    @jax.named_scope(ADAPTATION)
    @in_full_precision
    def _adapt_embedded(self, meta, features, labels):
        return self.adapt_head(meta, features, labels)

    @in_full_precision
    def _classified(self, meta, head, features):
        return self.classify(meta, head, features)

    @default
    def after_step(self, meta, tasks):
        """See `AbstractAlgorithm`."""
        return eqx.tree_at(lambda m: m.encoder, meta, observe_batch(meta.encoder, tasks))


class AbstractNetworkAlgorithm(AbstractAlgorithm):
    """Adapts the whole network, encoder and head. `meta` is the network, or holds it.

    Loss and score are the model's, so that the same method classifies or learns a function.
    """

    model: eqx.AbstractVar[AbstractModel]

    @property
    def criterion(self) -> AbstractCriterion:
        """The model's."""
        return self.model.criterion

    @default
    def init(self, key) -> PyTree:
        """See `AbstractAlgorithm`."""
        return self.model.init(key)

    def predict(self, meta, support, inputs):
        """See `AbstractAlgorithm`."""
        with jax.named_scope(ADAPTATION):
            solution = self.adapt(meta, support)
        return or_nan(solution, _embedded(solution.params, inputs))

    def logits(self, meta, task):
        """See `AbstractAlgorithm`."""
        return self.predict(meta, task.support, task.query[0])
