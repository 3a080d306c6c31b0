"""Distributions of tasks: a random key in, a task out."""

from .few_shot import FewShot
from .functions import AbstractFunctions, Alpine, CosMixture
from .task import AbstractTasks, Task

__all__ = ["AbstractFunctions", "AbstractTasks", "Alpine", "CosMixture", "FewShot", "Task"]
