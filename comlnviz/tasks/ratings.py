"""Collaborative filtering: a user's ratings from a few of them."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from ..counts import check_counts
from ..data import Dataset
from .task import AbstractTasks, Task


class Ratings(AbstractTasks):
    """Tasks of predicting a user's ratings of items after `shots` of them.

    An item is a one-hot vector; ratings, of the shape (items, 1), are scaled to mean 0 and
    variance 1 over all users, in the unit of which the root mean squared error is the normalized
    one. A user with fewer ratings than a task needs is never drawn. The paper's tables are headed
    10shot-15val where its text says 15shot-20val; both call the second setting 20shot-30val.

    **Arguments:**

    - `dataset`: of ratings, from `load("movielens-100k")` and the like.
    - `shots`: ratings to adapt to.
    - `queries`: others to be judged by; `None` for all others, as in the paper's tests. The query
      set then has a row for every other item, and a label that is NaN where there is no rating.
    - `scale`: mean and deviation to scale by, unless those of the dataset itself.

    **Raises** `ValueError` when no user has enough ratings.

    Source: A-MAML (Li et al. 2023), Section 5.3.
    """

    ratings: Float[Array, "users items"]
    enough: Int[Array, " drawn"]
    shots: int = eqx.field(static=True)
    queries: int | None = eqx.field(static=True)
    scale: tuple[float, float] = eqx.field(static=True)

    def __init__(
        self,
        dataset: Dataset,
        shots: int,
        queries: int | None,
        scale: tuple[float, float] | None = None,
    ):
        check_counts(shots=shots, queries=1 if queries is None else queries)
        table = np.asarray(dataset.images)
        if table.ndim != 2:
            raise ValueError(
                "Ratings needs a table (users, items), as load('movielens-100k') gives; "
                f"got an array of shape {table.shape}."
            )
        counts, needed = np.isfinite(table).sum(axis=1), shots + (queries or 1)
        if not (counts >= needed).any():
            raise ValueError(
                f"No user has the {needed} ratings that a task needs; the most are {counts.max()}."
            )
        self.scale = scale or (float(np.nanmean(table)), float(np.nanstd(table)))
        self.ratings = jnp.asarray(table, jnp.float32)
        self.enough = jnp.asarray(np.flatnonzero(counts >= needed), jnp.int32)
        self.shots, self.queries = shots, queries

    def user(self, key: PRNGKeyArray) -> Int[Array, ""]:
        """The user, a row of the dataset, that `sample(key)` is about."""
        which = jax.random.fold_in(key, 0)
        return self.enough[jax.random.randint(which, (), 0, len(self.enough), jnp.int32)]

    def sample(self, key: PRNGKeyArray) -> Task:
        """One task: its user, and which ratings are shown."""
        given = self.ratings[self.user(key)]
        # Rated items in random order, then the others.
        draws = jax.random.uniform(jax.random.fold_in(key, 1), given.shape, jnp.float32)
        order = jnp.argsort(jnp.where(jnp.isnan(given), 2.0, draws))
        mean, deviation = self.scale
        end = None if self.queries is None else self.shots + self.queries
        y = ((given[order].astype(float) - mean) / deviation)[:, None]
        x = jnp.eye(len(given))[order]
        part = lambda s: (x[s], y[s])
        return Task(part(slice(self.shots)), part(slice(self.shots, end)))
