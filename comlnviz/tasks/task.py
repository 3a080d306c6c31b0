"""What a task is, and a distribution of tasks."""

from abc import abstractmethod
from typing import NamedTuple

import equinox as eqx
from jaxtyping import Array, Float, PRNGKeyArray


class Task(NamedTuple):
    """A support set to adapt on and a query set to be judged on, each (inputs, labels).

    Labels are one-hot rows where there are N classes, and values, N = 1, where a function is
    learned.
    """

    support: tuple[Float[Array, "M *shape"], Float[Array, "M N"]]
    query: tuple[Float[Array, "Q *shape"], Float[Array, "Q N"]]


class AbstractTasks(eqx.Module):
    """A distribution of tasks."""

    @abstractmethod
    def sample(self, key: PRNGKeyArray) -> Task:
        """One task: a pure function of the key, for `jit` and `vmap`."""
