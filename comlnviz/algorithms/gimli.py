"""GIMLI: any optimizer and any loss in the inner loop, whatever of them is named is learned."""

from collections.abc import Callable
from typing import Any, final

import equinox as eqx
import jax
import optax
from jaxtyping import PyTree

from ..adjoints import AbstractDescentAdjoint, FirstOrder, Implicit, StoredStates
from ..inner import LearnedLoss, LearnedOptimizer, check_requirements, gradient_descent
from ..models import AbstractModel, AbstractNetwork
from .base import AbstractNetworkAlgorithm


class Meta(eqx.Module):
    """What GIMLI learns: the initial network, φ_opt and φ_loss."""

    network: AbstractNetwork
    optimizer: dict[str, PyTree]
    loss: dict[str, PyTree]


@final
class GIMLI(AbstractNetworkAlgorithm):
    """Generalized inner loop meta-learning. Others are cases of it:

        GIMLI(model, optax.sgd(0.01))                                                     # MAML
        GIMLI(model, optax.sgd(0.01), adapted=lambda n: (n.head, n.bias))                 # ANIL
        GIMLI(model, LearnedOptimizer(optax.sgd, learning_rate=Learned(0.01, "number", "real")))
                                                                                      # Meta-SGD
        GIMLI(model, optax.sgd(0.01), LearnedLoss(criticised, critic=MLP(10, (16, 1))))    # ML³

    Exact: differentiates through every step.

    **Fields:**

    - `model`: the network's recipe.
    - `optimizer`: a `LearnedOptimizer`, or an optax transformation in which nothing is learned.
    - `loss`: of the inner loop; a `LearnedLoss`, or loss(network, data); the model's criterion
      unless given.
    - `num_steps`: J.
    - `adapted`: what of the network the inner loop moves; all of it unless given.
    - `adjoint`: as in `gradient_descent`.

    **Raises** `ValueError` where a requirement of the paper's Section 2.4 fails: for the settings
    at once, for the rest when a meta-gradient is first traced.

    Source: GIMLI (Grefenstette et al. 2019), Sections 2 and 3.1.
    """

    model: AbstractModel
    optimizer: LearnedOptimizer = eqx.field(
        default_factory=lambda: LearnedOptimizer.of(optax.sgd(0.01)), converter=LearnedOptimizer.of
    )
    loss: LearnedLoss | None = eqx.field(
        default=None, converter=lambda loss: None if loss is None else LearnedLoss.of(loss)
    )
    num_steps: int = eqx.field(static=True, default=5)
    adapted: Callable[[Any], PyTree] | None = eqx.field(static=True, default=None)
    adjoint: AbstractDescentAdjoint = StoredStates()

    def __check_init__(self):
        if isinstance(self.adjoint, FirstOrder) and self.inner_loss.names:
            raise ValueError(
                "Requirement III (b): FirstOrder() takes the inner gradients for constants, so the "
                f"loss's {', '.join(self.inner_loss.names)} would have none: use StoredStates()."
            )
        if isinstance(self.adjoint, Implicit) and self.optimizer.names:
            raise ValueError(
                "Requirement III (a): the minimum that Implicit() differentiates does not depend "
                f"on the optimizer's {', '.join(self.optimizer.names)}: use StoredStates()."
            )

    @property
    def inner_loss(self) -> LearnedLoss:
        """`loss`, or the model's criterion."""
        return LearnedLoss.of(self.criterion) if self.loss is None else self.loss

    def init(self, key):
        """A fresh network, and every learned setting at its start."""
        keys = jax.random.split(key, 3)
        network = self.model.init(keys[0])
        moved, _ = self._split(network)
        return Meta(
            network,
            self.optimizer.init(keys[1], moved, self.num_steps),
            self.inner_loss.init(keys[2], network, self.num_steps),
        )

    def _split(self, network) -> tuple[PyTree, Callable[[PyTree], Any]]:
        """What is adapted, and how to put it in its place in the network."""
        where = self.adapted
        if where is None:
            return network, lambda moved: moved
        return where(network), lambda moved: eqx.tree_at(where, network, moved)

    def adapt(self, meta, support):
        """See `AbstractAlgorithm`."""
        moved, whole = self._split(meta.network)
        loss = self.inner_loss(meta.loss)
        solution = gradient_descent(
            lambda moved, *rest: loss(whole(moved), *rest),
            moved,
            support,
            self.num_steps,
            optimizer=self.optimizer(meta.optimizer),
            stepwise=self.inner_loss.stepwise,
            adjoint=self.adjoint,
        )
        return eqx.tree_at(lambda s: s.params, solution, whole(solution.params))

    def meta_grad(self, meta, task):
        """See `AbstractAlgorithm`."""
        if not isinstance(self.adjoint, FirstOrder):
            moved, whole = self._split(meta.network)
            check_requirements(
                lambda moved, phi: self.inner_loss(phi)(whole(moved), task.support),
                lambda moved: self.criterion(whole(moved), task.query),
                self.optimizer,
                moved,
                meta.optimizer,
                meta.loss,
            )
        return super().meta_grad(meta, task)

    def monitor(self, meta):
        """By name, the mean value of every group."""
        return self.optimizer.means(meta.optimizer) | self.inner_loss.means(meta.loss)
