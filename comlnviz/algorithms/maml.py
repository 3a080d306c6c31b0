"""MAML: a few gradient steps on the whole network."""

from typing import final

import equinox as eqx
import optax

from ..adjoints import AbstractDescentAdjoint, StoredStates
from ..inner import gradient_descent
from ..models import Classifier
from .base import AbstractNetworkAlgorithm


@final
class MAML(AbstractNetworkAlgorithm):
    """Model-agnostic meta-learning: learn an initialization from which few steps go far.

    Exact: second derivatives included, by storing each step's parameters.

    **Fields:**

    - `model`: the network's recipe.
    - `step_size`, `num_steps`: α and the number of gradient steps.
    - `adjoint`: as in `gradient_descent`; `Checkpointed()` trades time for memory.

    Source: MAML (Finn et al. 2017), Algorithm 2.
    """

    model: Classifier
    step_size: float = 0.01
    num_steps: int = eqx.field(static=True, default=5)
    adjoint: AbstractDescentAdjoint = StoredStates()

    def adapt(self, meta, support):
        """See `AbstractAlgorithm`."""
        return gradient_descent(
            self.criterion,
            meta,
            support,
            self.num_steps,
            optimizer=optax.sgd(self.step_size),
            adjoint=self.adjoint,
        )
