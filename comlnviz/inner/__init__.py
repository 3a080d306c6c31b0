"""The inner loops: how a learner adapts to one task."""

from .gradient_descent import gradient_descent
from .gradient_flow import gradient_flow
from .linear_flow import linear_flow
from .meta_optimizer import AbstractMetaOptimizer, AbstractUpdateRule, meta_optimizer
from .recurrent_rule import Recurrent
from .update_rules import CFC, KFC, FullLinear, KLin, MetaSGDRule

__all__ = [
    "CFC",
    "KFC",
    "AbstractMetaOptimizer",
    "AbstractUpdateRule",
    "FullLinear",
    "KLin",
    "MetaSGDRule",
    "Recurrent",
    "gradient_descent",
    "gradient_flow",
    "linear_flow",
    "meta_optimizer",
]
