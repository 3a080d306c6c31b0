"""Memory and run time of a meta-gradient on the device at hand."""

from .measurement import Measurement, measure
from .methods import METHODS, Method
from .problem import COS_MIXTURE, Problem
from .solving import SOLVERS, Solving

__all__ = [
    "COS_MIXTURE",
    "METHODS",
    "SOLVERS",
    "Measurement",
    "Method",
    "Problem",
    "Solving",
    "measure",
]
