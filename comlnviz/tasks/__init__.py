"""Distributions of tasks: a random key in, a task out."""

from .few_shot import FewShot
from .task import AbstractTasks, Task

__all__ = ["AbstractTasks", "FewShot", "Task"]
