"""Binary tasks whose boundary is a random hyperplane through the origin."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ..counts import check_counts
from .task import AbstractTasks, Task


class LinearBoundaries(AbstractTasks):
    """The label of a standard normal point x is the sign of wᵀx, w standard normal for each task.

    **Fields:**

    - `d`: the dimension, 100 in the paper.
    - `support`, `query`: how many points; `query=0` judges on the support set itself.
    - `points`: those that all tasks share (`shared=True`); `None` for fresh ones in each.
    - `wrong_minus`: code the negative label −1 in a cross-entropy that expects 0; the loss of a
      negative point is then log p₁ − 2 log p₀, without a lower bound.
    - `normals`: the only w that there are (`normals=W`); `None` for ever new ones.

    Source: Decoupling Adaptation from Modeling (2020), Section 3.2 and Appendix A.1.1, which leave
    all of these but `d` open: 1,000 points, in one place drawn for each task, in another once.
    """

    d: int = eqx.field(static=True)
    support: int = eqx.field(static=True)
    query: int = eqx.field(static=True)
    wrong_minus: bool = eqx.field(static=True)
    points: Float[Array, "M d"] | None
    normals: Float[Array, "W d"] | None

    def __init__(
        self,
        d: int = 100,
        support: int = 1000,
        query: int = 0,
        *,
        shared: bool = False,
        wrong_minus: bool = False,
        normals: int = 0,
        seed: int = 0,
    ):
        """**Raises** `ValueError` for sizes that cannot be."""
        check_counts(d=d, support=support)
        check_counts(0, query=query, normals=normals)
        self.d, self.support, self.query, self.wrong_minus = d, support, query, wrong_minus
        draw = lambda number, n: jax.random.normal(
            jax.random.fold_in(jax.random.key(seed), number), (n, d)
        )
        self.points = draw(0, support + query) if shared else None
        self.normals = draw(1, normals) if normals else None

    def sample(self, key: PRNGKeyArray) -> Task:
        """One task, labels one-hot (or −1 for 0: see `wrong_minus`)."""
        normal_key, point_key = jax.random.split(key)
        if self.normals is None:
            w = jax.random.normal(normal_key, (self.d,))
        else:
            w = self.normals[jax.random.randint(normal_key, (), 0, len(self.normals))]
        x = self.points
        if x is None:
            x = jax.random.normal(point_key, (self.support + self.query, self.d))
        labelled = lambda x: (x, self.labels(x, w))
        support = labelled(x[: self.support])
        return Task(support, labelled(x[self.support :]) if self.query else support)

    def labels(self, x: Float[Array, "M d"], w: Float[Array, " d"]) -> Float[Array, "M 2"]:
        """The labels of points under the boundary w."""
        positive = (x @ w > 0).astype(x.dtype)
        if self.wrong_minus:
            positive = 2 * positive - 1
        return jnp.stack([1 - positive, positive], axis=1)
