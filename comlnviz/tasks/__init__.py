"""Distributions of tasks: a random key in, a task out."""

from .few_shot import FewShot
from .finite import Finite
from .functions import AbstractFunctions, Alpine, CosMixture
from .linear_boundaries import LinearBoundaries
from .ratings import Ratings
from .task import AbstractTasks, Task

__all__ = [
    "AbstractFunctions",
    "AbstractTasks",
    "Alpine",
    "CosMixture",
    "FewShot",
    "Finite",
    "LinearBoundaries",
    "Ratings",
    "Task",
]
