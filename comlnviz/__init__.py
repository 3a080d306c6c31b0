"""See and touch continuous-time meta-learning: a fast JAX core and live notebooks."""

from . import adjoints
from .inner import gradient_descent, gradient_flow, linear_flow
from .solution import Solution

__version__ = "0.1.0"

__all__ = ["Solution", "adjoints", "gradient_descent", "gradient_flow", "linear_flow"]
