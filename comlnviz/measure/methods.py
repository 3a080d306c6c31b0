"""The methods that are compared, each at a given inner length, with what theory says it keeps."""

import dataclasses
import math
from collections.abc import Callable
from typing import final

import equinox as eqx
from jaxtyping import Array, Float

from ..adjoints import (
    AbstractFlowAdjoint,
    Backsolve,
    Checkpointed,
    ForwardSensitivity,
    GramAdjoint,
    StoredStates,
    Unrolled,
)
from ..algorithms import ANIL, COMLN, FOMAML, IMAML, MAML, AbstractAlgorithm, Reptile
from ..algorithms.base import AbstractNetworkAlgorithm, network_loss
from ..inner import gradient_flow
from ..models import AbstractEncoder, Classifier
from .naive import NaiveForward
from .problem import Problem

ALPHA = 0.01  # the time that a gradient step takes, in the papers' curves
STATES = 20  # that A-MAML keeps; also the steps of conjugate gradients that iMAML takes


@final
class NetworkFlow(AbstractNetworkAlgorithm):
    """The flow of a whole network, with one of the adjoints of `gradient_flow`.

    **Fields:**

    - `model`: the network's recipe.
    - `T`, `adjoint`: as in `gradient_flow`.

    Source: A-MAML (Li et al. 2023), Algorithm 1.
    """

    model: AbstractEncoder
    T: float | Float[Array, ""] = 1.0
    adjoint: AbstractFlowAdjoint = StoredStates()
    max_steps: int = eqx.field(static=True, default=4096)

    def adapt(self, meta, support):
        """See `AbstractAlgorithm`."""
        return gradient_flow(
            network_loss, meta, support, self.T, adjoint=self.adjoint, max_steps=self.max_steps,
            rtol=1e-4, atol=1e-4, throw=False,
        )  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Method:
    """How a method is made, and what it is said to need.

    **Fields:**

    - `make`: (problem, number n of gradient steps) → algorithm; flows last T = 0.01·n.
    - `exact`: whether the meta-gradient is that of the adaptation as computed.
    - `steps`: whether the work is n gradient steps; otherwise a solver chooses its own.
    - `formula`, `numbers`: what is kept for the meta-gradient by COMLN's Table 1, in words and as
      (problem, n, parameters of the network) → numbers. Of ANIL's N·d a step JAX keeps M·N: the
      Hessian of a linear head depends on W through its logits.
    """

    make: Callable[[Problem, int], AbstractAlgorithm]
    exact: bool
    steps: bool
    formula: str
    numbers: Callable[[Problem, int, int], float]


def _network(p: Problem) -> Classifier:
    return Classifier(p.encoder(), p.ways)


def _flow(p: Problem, n: int, adjoint, **settings) -> COMLN:
    return COMLN(p.encoder(), p.ways, T=ALPHA * n, adjoint=adjoint, **settings)


def _head(p: Problem) -> int:
    return p.ways * p.d


METHODS: dict[str, Method] = {
    "MAML": Method(
        lambda p, n: MAML(_network(p), ALPHA, n, Unrolled()),
        True, True, "|θ|·n", lambda p, n, size: size * n,
    ),
    "MAML, every √n": Method(
        lambda p, n: MAML(_network(p), ALPHA, n, Checkpointed(math.isqrt(n - 1) + 1)),
        True, True, "|θ|·√n", lambda p, n, size: size * math.sqrt(n),
    ),
    "MAML, recursive": Method(
        lambda p, n: MAML(_network(p), ALPHA, n, Checkpointed(n.bit_length())),
        True, True, "|θ|·log n", lambda p, n, size: size * max(1.0, math.log2(n)),
    ),
    "FOMAML": Method(
        lambda p, n: FOMAML(_network(p), ALPHA, n),
        False, True, "|θ|", lambda p, n, size: size,
    ),
    "Reptile": Method(
        lambda p, n: Reptile(_network(p), ALPHA, n),
        False, True, "|θ|", lambda p, n, size: size,
    ),
    "iMAML": Method(
        lambda p, n: IMAML(_network(p), 1.0, ALPHA, n, STATES),
        False, True, "|θ|", lambda p, n, size: size,
    ),
    "A-MAML": Method(
        lambda p, n: NetworkFlow(_network(p), ALPHA * n, StoredStates(STATES)),
        False, False, "|θ|·states", lambda p, n, size: size * STATES,
    ),
    "A-MAML by backsolve": Method(
        lambda p, n: NetworkFlow(_network(p), ALPHA * n, Backsolve()),
        False, False, "|θ|", lambda p, n, size: size,
    ),
    "ANIL": Method(
        lambda p, n: ANIL(p.encoder(), p.ways, ALPHA, n, Unrolled()),
        True, True, "N·d·n", lambda p, n, size: _head(p) * n,
    ),
    "naive forward sensitivity": Method(
        lambda p, n: NaiveForward(p.encoder(), p.ways, ALPHA * n),
        True, False, "N²d² + M·N·d²", lambda p, n, size: _head(p) * (_head(p) + p.M * p.d),
    ),
    "COMLN, forward": Method(
        lambda p, n: _flow(p, n, ForwardSensitivity()),
        True, False, "M²N² + M³N", lambda p, n, size: (p.M * p.ways) ** 2 + p.M**3 * p.ways,
    ),
    "COMLN, forward, Euler": Method(
        lambda p, n: _flow(
            p, n, ForwardSensitivity(), solver="euler", rtol=None, atol=None, dt0=ALPHA,
            max_steps=n + 1,
        ),
        True, True, "M²N² + M³N", lambda p, n, size: (p.M * p.ways) ** 2 + p.M**3 * p.ways,
    ),
    "COMLN, Gram": Method(
        lambda p, n: _flow(p, n, GramAdjoint()),
        True, False, "M·N·checkpoints", lambda p, n, size: p.M * p.ways * 91,
    ),
}  # fmt: skip
