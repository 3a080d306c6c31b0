"""iMAML: the gradient of a minimum, whatever way led there."""

from typing import final

import equinox as eqx
import optax

from ..adjoints import Implicit
from ..inner import gradient_descent
from ..models import AbstractEncoder
from .base import AbstractNetworkAlgorithm, network_loss


@final
class IMAML(AbstractNetworkAlgorithm):
    """Implicit MAML: adapt under a proximal term, differentiate by the implicit function theorem.

    Exact where descent has converged and conjugate gradients too; approximate otherwise. Memory
    does not depend on the number of steps.

    **Fields:**

    - `model`: the network's recipe.
    - `proximal`: λ, how strongly adaptation is held to the initial parameters.
    - `step_size`, `num_steps`: of descent on the proximal problem.
    - `cg_steps`: of conjugate gradients for the meta-gradient.

    Source: iMAML (Rajeswaran et al. 2019), Algorithms 1 and 2; λ = 2, 16 steps and 5 iterations
    of CG are its settings for Omniglot.
    """

    model: AbstractEncoder
    proximal: float = 2.0
    step_size: float = 0.1
    num_steps: int = eqx.field(static=True, default=16)
    cg_steps: int = eqx.field(static=True, default=5)

    def adapt(self, meta, support):
        """See `AbstractAlgorithm`."""
        return gradient_descent(
            network_loss,
            meta,
            support,
            self.num_steps,
            optimizer=optax.sgd(self.step_size),
            adjoint=Implicit(self.proximal, self.cg_steps),
        )
