"""Live figures for notebooks. Each displays itself."""

from .backward_instability import BackwardInstability
from .few_shot_lab import FewShotLab
from .flow_explorer import FlowExplorer
from .learn_t import LearnT
from .memory_runtime import MemoryRuntime
from .sensitivity_explorer import SensitivityExplorer

ALL = (FlowExplorer, BackwardInstability, SensitivityExplorer, LearnT, MemoryRuntime, FewShotLab)

__all__ = [
    "ALL",
    "BackwardInstability",
    "FewShotLab",
    "FlowExplorer",
    "LearnT",
    "MemoryRuntime",
    "SensitivityExplorer",
]
