"""Distributions of tasks: a random key in, a task out."""

from .few_shot import FewShot, Task

__all__ = ["FewShot", "Task"]
