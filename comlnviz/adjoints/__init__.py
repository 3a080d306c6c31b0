"""How a meta-gradient gets through an inner loop, one rule a file."""

from .backsolve import Backsolve
from .base import (
    AbstractAdjoint,
    AbstractDescentAdjoint,
    AbstractFlowAdjoint,
    AbstractLinearAdjoint,
)
from .checkpointed import Checkpointed
from .first_order import FirstOrder
from .forward_sensitivity import ForwardSensitivity, Sensitivities
from .gram import GramAdjoint
from .implicit import Implicit
from .stored_states import StoredStates
from .unrolled import Unrolled

__all__ = [
    "AbstractAdjoint",
    "AbstractDescentAdjoint",
    "AbstractFlowAdjoint",
    "AbstractLinearAdjoint",
    "Backsolve",
    "Checkpointed",
    "FirstOrder",
    "ForwardSensitivity",
    "GramAdjoint",
    "Implicit",
    "Sensitivities",
    "StoredStates",
    "Unrolled",
]
