"""MAML: a few gradient steps on the whole network."""

from typing import final

import equinox as eqx
import optax

from ..adjoints import AbstractDescentAdjoint, StoredStates
from ..models import AbstractModel
from .base import AbstractNetworkAlgorithm
from .network_descent import descend


@final
class MAML(AbstractNetworkAlgorithm):
    """Model-agnostic meta-learning: learn an initialization from which few steps go far.

    Exact: second derivatives included, by storing each step's parameters.

    **Fields:**

    - `model`: the network's recipe.
    - `step_size`, `num_steps`: α and the number of gradient steps.
    - `adjoint`: as in `gradient_descent`; `Checkpointed()` trades time for memory.
    - `frozen`: names of layers that are not adapted, as `models.freeze.split` takes them.

    Source: MAML (Finn et al. 2017), Algorithm 2.
    """

    model: AbstractModel
    step_size: float = 0.01
    num_steps: int = eqx.field(static=True, default=5)
    adjoint: AbstractDescentAdjoint = StoredStates()
    frozen: tuple[str, ...] = eqx.field(static=True, default=())

    def adapt(self, meta, support):
        """See `AbstractAlgorithm`."""
        optimizer = optax.sgd(self.step_size)
        return descend(
            self.criterion, meta, support, self.num_steps, optimizer, self.adjoint, self.frozen
        )
