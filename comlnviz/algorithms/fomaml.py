"""FOMAML: MAML without second derivatives."""

from typing import final

import equinox as eqx
import optax

from ..adjoints import FirstOrder
from ..inner import gradient_descent
from ..models import AbstractEncoder
from .base import AbstractNetworkAlgorithm, network_loss


@final
class FOMAML(AbstractNetworkAlgorithm):
    """First-order MAML: the query gradient at the adapted parameters is taken for the one at the
    initial ones.

    Adapts exactly as MAML does; the meta-gradient is approximate, d(adapted)/d(initial) being
    replaced by the identity.

    **Fields:**

    - `model`: the network's recipe.
    - `step_size`, `num_steps`: α and the number of gradient steps.

    Source: MAML (Finn et al. 2017), Section 5.2.
    """

    model: AbstractEncoder
    step_size: float = 0.01
    num_steps: int = eqx.field(static=True, default=5)

    def adapt(self, meta, support):
        """See `AbstractAlgorithm`."""
        return gradient_descent(
            network_loss,
            meta,
            support,
            self.num_steps,
            optimizer=optax.sgd(self.step_size),
            adjoint=FirstOrder(),
        )
