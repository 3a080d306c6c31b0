"""Live figures for notebooks. Each displays itself."""

from .adjoint_tradeoff import AdjointTradeoff
from .backward_instability import BackwardInstability
from .few_shot_lab import FewShotLab
from .flow_explorer import FlowExplorer
from .freeze_lab import FreezeLab
from .inner_optimizer_lab import InnerOptimizerLab
from .learn_t import LearnT
from .memory_runtime import MemoryRuntime
from .meta_optimizer_lab import MetaOptimizerLab
from .ratings_lab import RatingsLab
from .regression_adaptation import RegressionAdaptation
from .sensitivity_explorer import SensitivityExplorer

ALL = (
    FlowExplorer,
    BackwardInstability,
    SensitivityExplorer,
    LearnT,
    AdjointTradeoff,
    RegressionAdaptation,
    MemoryRuntime,
    InnerOptimizerLab,
    MetaOptimizerLab,
    FreezeLab,
    FewShotLab,
    RatingsLab,
)

__all__ = [
    "ALL",
    "AdjointTradeoff",
    "BackwardInstability",
    "FewShotLab",
    "FlowExplorer",
    "FreezeLab",
    "InnerOptimizerLab",
    "LearnT",
    "MemoryRuntime",
    "MetaOptimizerLab",
    "RatingsLab",
    "RegressionAdaptation",
    "SensitivityExplorer",
]
