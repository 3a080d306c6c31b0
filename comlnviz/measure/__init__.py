"""Memory and run time of a meta-gradient on the device at hand."""

from .measurement import Measurement, measure
from .methods import METHODS, Method
from .problem import COS_MIXTURE, Problem

__all__ = ["COS_MIXTURE", "METHODS", "Measurement", "Method", "Problem", "measure"]
