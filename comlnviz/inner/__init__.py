"""The inner loops: how a learner adapts to one task."""

from .gimli_loop import GimliRun, gimli_loop
from .gradient_descent import gradient_descent
from .gradient_flow import gradient_flow
from .learned import Learned
from .learned_loss import LearnedLoss, criticised, decayed, smoothed, weighted
from .learned_optimizer import LearnedOptimizer
from .linear_flow import linear_flow
from .requirements import check_requirements

__all__ = [
    "GimliRun",
    "Learned",
    "LearnedLoss",
    "LearnedOptimizer",
    "check_requirements",
    "criticised",
    "decayed",
    "gimli_loop",
    "gradient_descent",
    "gradient_flow",
    "linear_flow",
    "smoothed",
    "weighted",
]
