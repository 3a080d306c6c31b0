"""The methods that are compared, each at a given inner length, with what theory says it keeps."""

import dataclasses
import math
from collections.abc import Callable, Iterable

from ..adjoints import (
    AbstractFlowAdjoint,
    Backsolve,
    Checkpointed,
    ForwardSensitivity,
    GramAdjoint,
    StoredStates,
    Unrolled,
)
from ..algorithms import AMAML, ANIL, COMLN, FOMAML, IMAML, MAML, AbstractAlgorithm, Reptile
from .naive import NaiveForward
from .problem import Problem
from .reference import ProximalDescent
from .solving import Solving

ALPHA = 0.01  # the time that a gradient step takes, in the papers' curves
PROXIMAL = 1.0  # iMAML's λ, as A-MAML's comparison has it
STATES = 20  # that A-MAML keeps; also the steps of conjugate gradients that iMAML takes


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
    - `reference`: (problem, n) → what its meta-gradient is held against in 64 bits, or a sentence
      where that makes no sense.
    - `whole`: whether the whole network adapts; otherwise it is a classifier's last layer.
    - `tolerance`: of its own, where a solver chooses the steps.
    """

    make: Callable[[Problem, int], AbstractAlgorithm]
    exact: bool
    steps: bool
    formula: str
    numbers: Callable[[Problem, int, int], float]
    reference: Callable[[Problem, int], AbstractAlgorithm] | str
    whole: bool = True
    tolerance: float | None = None

    def solving(self, chosen: Solving) -> Solving:
        """What of a choice is not its own way anyhow: nothing, if it takes gradient steps."""
        if self.steps:
            return Solving()
        return Solving(chosen.solver) if chosen.tolerance == self.tolerance else chosen

    def fits(self, problem: Problem) -> bool:
        """Whether there is something in the problem that the method adapts."""
        return self.whole or problem.classifies


def check_methods(names: Iterable[str]) -> None:
    """**Raises** `ValueError` for the first of the names that is no method's."""
    for name in names:
        if name not in METHODS:
            raise ValueError(f"There is no method {name!r}: choose from {'; '.join(METHODS)}.")


def _flow(p: Problem, n: int, adjoint, **settings) -> COMLN:
    return COMLN(p.encoder(), p.ways, T=ALPHA * n, adjoint=adjoint, **settings)


def _network_flow(
    p: Problem, n: int, adjoint: AbstractFlowAdjoint, tolerance: float = 1e-4, max_steps: int = 4096
) -> AMAML:
    return AMAML(
        p.network(), ALPHA * n, rtol=tolerance, atol=tolerance, adjoint=adjoint, max_steps=max_steps
    )


def _head(p: Problem) -> int:
    return p.ways * p.size


def _exact_network(p: Problem, n: int) -> MAML:
    return MAML(p.network(), ALPHA, n, Checkpointed())


def _exact_network_flow(p: Problem, n: int) -> AMAML:
    return _network_flow(p, n, Checkpointed(), 1e-9, max_steps=2**14)


def _exact_proximal(p: Problem, n: int) -> ProximalDescent:
    return ProximalDescent(p.network(), PROXIMAL, ALPHA, n)


def _exact_head(p: Problem, n: int) -> COMLN:
    # ANIL's steps, taken in the M·N numbers that determine W.
    return _flow(
        p, n, GramAdjoint(), solver="euler", rtol=None, atol=None, dt0=ALPHA, max_steps=n + 1
    )


def _exact_head_flow(p: Problem, n: int) -> COMLN:
    return _flow(p, n, GramAdjoint(), solver="dopri8", rtol=1e-10, atol=1e-10, max_steps=2**16)


METHODS: dict[str, Method] = {
    "MAML": Method(
        lambda p, n: MAML(p.network(), ALPHA, n, Unrolled()),
        True, True, "|θ|·n", lambda p, n, size: size * n,
        _exact_network,
    ),
    "MAML, every √n": Method(
        lambda p, n: MAML(p.network(), ALPHA, n, Checkpointed(math.isqrt(n - 1) + 1)),
        True, True, "|θ|·√n", lambda p, n, size: size * math.sqrt(n),
        _exact_network,
    ),
    "MAML, recursive": Method(
        lambda p, n: MAML(p.network(), ALPHA, n, Checkpointed(n.bit_length())),
        True, True, "|θ|·log n", lambda p, n, size: size * max(1.0, math.log2(n)),
        _exact_network,
    ),
    "FOMAML": Method(
        lambda p, n: FOMAML(p.network(), ALPHA, n),
        False, True, "|θ|", lambda p, n, size: size,
        _exact_network,
    ),
    "Reptile": Method(
        lambda p, n: Reptile(p.network(), ALPHA, n),
        False, True, "|θ|", lambda p, n, size: size,
        "Reptile takes no gradient of the query loss.",
    ),
    "iMAML": Method(
        lambda p, n: IMAML(p.network(), PROXIMAL, ALPHA, n, STATES),
        False, True, "|θ|", lambda p, n, size: size,
        _exact_proximal,
    ),
    "A-MAML": Method(
        lambda p, n: _network_flow(p, n, StoredStates(STATES)),
        False, False, "|θ|·states", lambda p, n, size: size * STATES,
        _exact_network_flow, tolerance=1e-4,
    ),
    "A-MAML, a state a step": Method(
        lambda p, n: _network_flow(p, n, StoredStates(n + 1)),
        False, False, "|θ|·n", lambda p, n, size: size * n,
        _exact_network_flow, tolerance=1e-4,
    ),
    "A-MAML by backsolve": Method(
        lambda p, n: _network_flow(p, n, Backsolve()),
        False, False, "|θ|", lambda p, n, size: size,
        _exact_network_flow, tolerance=1e-4,
    ),
    "ANIL": Method(
        lambda p, n: ANIL(p.encoder(), p.ways, ALPHA, n, Unrolled()),
        True, True, "N·d·n", lambda p, n, size: _head(p) * n,
        _exact_head, whole=False,
    ),
    "naive forward sensitivity": Method(
        lambda p, n: NaiveForward(p.encoder(), p.ways, ALPHA * n),
        True, False, "N²d² + M·N·d²", lambda p, n, size: _head(p) * (_head(p) + p.M * p.size),
        _exact_head_flow, whole=False, tolerance=1e-6,
    ),
    "COMLN, forward": Method(
        lambda p, n: _flow(p, n, ForwardSensitivity()),
        True, False, "M²N² + M³N", lambda p, n, size: (p.M * p.ways) ** 2 + p.M**3 * p.ways,
        _exact_head_flow, whole=False, tolerance=1e-6,
    ),
    "COMLN, forward, Euler": Method(
        lambda p, n: _flow(
            p, n, ForwardSensitivity(), solver="euler", rtol=None, atol=None, dt0=ALPHA,
            max_steps=n + 1,
        ),
        True, True, "M²N² + M³N", lambda p, n, size: (p.M * p.ways) ** 2 + p.M**3 * p.ways,
        _exact_head, whole=False,
    ),
    "COMLN, Gram": Method(
        lambda p, n: _flow(p, n, GramAdjoint()),
        True, False, "M·N·checkpoints", lambda p, n, size: p.M * p.ways * 91,
        _exact_head_flow, whole=False, tolerance=1e-6,
    ),
}  # fmt: skip
