"""The inner loops: how a learner adapts to one task."""

from .gradient_descent import gradient_descent
from .gradient_flow import gradient_flow
from .linear_flow import linear_flow

__all__ = ["gradient_descent", "gradient_flow", "linear_flow"]
