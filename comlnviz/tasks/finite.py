"""A fixed number of tasks out of a distribution."""

from typing import final

import equinox as eqx
import jax

from ..counts import check_counts
from .task import AbstractTasks


@final
class Finite(AbstractTasks):
    """The same `size` tasks of `tasks` again and again, each with the same examples.

    **Fields:**

    - `tasks`: the distribution.
    - `size`: how many of it.
    - `seed`: chooses them.

    Source: A-MAML (Li et al. 2023), Section 5.1: 100 tasks are sampled for meta-training.
    """

    tasks: AbstractTasks
    size: int = eqx.field(static=True)
    seed: int = eqx.field(static=True, default=0)

    def __check_init__(self):
        check_counts(size=self.size)

    def sample(self, key):
        """See `AbstractTasks`."""
        which = jax.random.randint(key, (), 0, self.size, "int32")
        return self.tasks.sample(jax.random.fold_in(jax.random.key(self.seed), which))
