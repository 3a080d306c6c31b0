"""The inner loops: how a learner adapts to one task."""

from .gimli_loop import GimliRun, gimli_loop
from .gradient_descent import gradient_descent
from .gradient_flow import gradient_flow
from .linear_flow import linear_flow
from .requirements import check_requirements

__all__ = [
    "GimliRun",
    "check_requirements",
    "gimli_loop",
    "gradient_descent",
    "gradient_flow",
    "linear_flow",
]
