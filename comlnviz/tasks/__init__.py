"""Distributions of tasks: a random key in, a task out."""

from .few_shot import FewShot
from .linear_boundaries import LinearBoundaries
from .task import AbstractTasks, Task

__all__ = ["AbstractTasks", "FewShot", "LinearBoundaries", "Task"]
