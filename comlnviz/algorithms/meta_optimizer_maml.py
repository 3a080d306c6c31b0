"""MAML whose update rule is learned too."""

from typing import final

import equinox as eqx

from ..adjoints import AbstractDescentAdjoint, Unrolled
from ..inner import AbstractMetaOptimizer, AbstractUpdateRule, meta_optimizer
from ..models import AbstractModel, AbstractNetwork
from ..models.freeze import split
from .base import AbstractNetworkAlgorithm
from .network_descent import descend


class Meta(eqx.Module):
    """What is meta-learned: the initial network, and the update rule as each task finds it."""

    network: AbstractNetwork
    rule: AbstractUpdateRule


@final
class MetaOptimizerMAML(AbstractNetworkAlgorithm):
    """Learn to adapt apart from the model: an initialization, and the rule by which it moves.

    Exact: differentiates through every step, those of the rule included. With `KLin()`, `KFC()`,
    `CFC(10)` this is the paper's w/ KLin, w/ KFC, w/ CFC10; `KLin()` and `adapt_rule=False` its
    Meta-Curvature, `MetaSGDRule()` and `adapt_rule=False` its Meta-SGD.

    **Fields:**

    - `model`: the network's recipe.
    - `optimizer`: the update rule's recipe.
    - `step_size`: α, which multiplies the update and is the rate of the rule's own steps.
    - `num_steps`: gradient steps. With one the rule has no occasion to move.
    - `adapt_rule`: whether the rule moves within the task.
    - `frozen`: names of layers that are not adapted, as `models.freeze.split` takes them.
    - `adjoint`: as in `gradient_descent`.

    Source: Decoupling Adaptation from Modeling (2020), Algorithm 1, where the update stands
    without a rate: there is none to print apart, as the rule can hold it. The rates that the
    appendix prints for one step are those of the update.
    """

    model: AbstractModel
    optimizer: AbstractMetaOptimizer
    step_size: float = 0.01
    num_steps: int = eqx.field(static=True, default=1)
    adapt_rule: bool = eqx.field(static=True, default=True)
    frozen: tuple[str, ...] = eqx.field(static=True, default=())
    adjoint: AbstractDescentAdjoint = Unrolled()

    def init(self, key):
        """A fresh network and a fresh rule for what of it is adapted."""
        network = self.model.init(key)
        moving, _ = split(network, self.frozen)
        return Meta(network, self.optimizer.init(moving, key))

    def adapt(self, meta, support):
        """See `AbstractAlgorithm`."""
        adaptation = self.step_size if self.adapt_rule else None
        optimizer = meta_optimizer(meta.rule, self.step_size, adaptation=adaptation)
        return descend(
            self.criterion,
            meta.network,
            support,
            self.num_steps,
            optimizer,
            self.adjoint,
            self.frozen,
        )
