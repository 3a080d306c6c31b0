"""The inner loops: how a learner adapts to one task."""

from .gimli_loop import GimliRun, gimli_loop
from .gradient_descent import gradient_descent
from .gradient_flow import gradient_flow
from .learned import Learned
from .learned_loss import LearnedLoss, criticised, decayed, smoothed, weighted
from .learned_optimizer import LearnedOptimizer
from .linear_flow import linear_flow
from .meta_optimizer import AbstractMetaOptimizer, AbstractUpdateRule, meta_optimizer
from .recurrent_rule import Recurrent
from .requirements import check_requirements
from .update_rules import CFC, KFC, FullLinear, KLin, MetaSGDRule

__all__ = [
    "CFC",
    "KFC",
    "AbstractMetaOptimizer",
    "AbstractUpdateRule",
    "FullLinear",
    "GimliRun",
    "KLin",
    "Learned",
    "LearnedLoss",
    "LearnedOptimizer",
    "MetaSGDRule",
    "Recurrent",
    "check_requirements",
    "criticised",
    "decayed",
    "gimli_loop",
    "gradient_descent",
    "gradient_flow",
    "linear_flow",
    "meta_optimizer",
    "smoothed",
    "weighted",
]
