"""Regression tasks: each is one function out of a family, seen at random points."""

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ..counts import check_counts
from .task import AbstractTasks, Task

Function = Callable[[Float[Array, "B d"]], Float[Array, " B"]]


class AbstractFunctions(AbstractTasks):
    """Tasks of learning a function from `shots` values, judged at `queries` other points.

    Points are uniform in the family's cube [−w, w]^d; values have the shape (points, 1), as a
    network's outputs have. `sample` is a pure function of its key.

    **Fields:**

    - `shots`, `queries`: of a task; the paper's settings are 50 and 50 ("50shot-50val") and 100
      and 100. Its test tasks have 100 queries in both.
    - `dimensions`: d, 2 in the paper.
    - `standardized`: scale inputs and values to mean 0 and variance 1 over all tasks, as the
      authors' released code does and the paper does not say. Without it descent on `Alpine` is
      stiff: steps of 0.01 leave the gradient flow's path.

    A family's `half_width` is w; `mean` and `deviation` are those of a coordinate's share in the
    value, over all tasks.
    """

    shots: eqx.AbstractVar[int]
    queries: eqx.AbstractVar[int]
    dimensions: eqx.AbstractVar[int]
    standardized: eqx.AbstractVar[bool]
    half_width: ClassVar[float]
    mean: ClassVar[float]
    deviation: ClassVar[float]

    def __check_init__(self):
        check_counts(shots=self.shots, queries=self.queries, dimensions=self.dimensions)

    @abstractmethod
    def function(self, key: PRNGKeyArray) -> Function:
        """The function that `sample(key)` is about, itself a pytree."""

    def sample(self, key: PRNGKeyArray) -> Task:
        """One task: its function, and where it is seen."""
        shape = (self.shots + self.queries, self.dimensions)
        x = uniform(jax.random.fold_in(key, 1), shape, -self.half_width, self.half_width)
        x, y = self.as_seen(x, self.function(key)(x)[:, None])
        return Task((x[: self.shots], y[: self.shots]), (x[self.shots :], y[self.shots :]))

    def as_seen(
        self, x: Float[Array, "B d"], y: Float[Array, "B 1"]
    ) -> tuple[Float[Array, "B d"], Float[Array, "B 1"]]:
        """Points and values as a learner sees them: scaled, where the tasks are."""
        if not self.standardized:
            return x, y
        d = self.dimensions
        return (
            x * (3**0.5 / self.half_width),
            (y - d * self.mean) / (d**0.5 * self.deviation),
        )


@final
class CosMixture(AbstractFunctions):
    """f(x) = −0.1 Σ_i A cos(ω x_i + φ) − Σ_i x_i² on [−1, 1]^d.

    A task's A is uniform in [0.1, 1], ω in [π/2, 2π], φ in [3, 6]; one of each a task, whatever d.
    As the paper prints it; the authors' released code has no factor 0.1 and swaps the ranges of
    frequency and phase.

    Source: A-MAML (Li et al. 2023), Section 5.1, equation 9.
    """

    shots: int = eqx.field(static=True, default=50)
    queries: int = eqx.field(static=True, default=50)
    dimensions: int = eqx.field(static=True, default=2)
    standardized: bool = eqx.field(static=True, default=False)
    half_width, mean, deviation = 1.0, -0.3332, 0.3043

    def function(self, key):
        """See `AbstractFunctions`; the numbers are A, ω and φ."""
        low, high = jnp.array([0.1, jnp.pi / 2, 3.0]), jnp.array([1.0, 2 * jnp.pi, 6.0])
        return jax.tree_util.Partial(
            cos_mixture, uniform(jax.random.fold_in(key, 0), (3,), low, high)
        )


@final
class Alpine(AbstractFunctions):
    """f(x) = Σ_i |x_i sin(x_i + φ_i) + 0.1 x_i| on [−10, 10]^d.

    A task's φ_i are independent and uniform in [−5π/12, 5π/12]. The paper prints the domain as
    [10, 10]²; [−10, 10]² is what the function is defined on elsewhere and in the authors' code.

    Source: A-MAML (Li et al. 2023), Section 5.1, equation 10.
    """

    shots: int = eqx.field(static=True, default=50)
    queries: int = eqx.field(static=True, default=50)
    dimensions: int = eqx.field(static=True, default=2)
    standardized: bool = eqx.field(static=True, default=False)
    half_width, mean, deviation = 10.0, 3.166, 2.553

    def function(self, key):
        """See `AbstractFunctions`; the numbers are φ."""
        most = 5 * jnp.pi / 12
        phases = uniform(jax.random.fold_in(key, 0), (self.dimensions,), -most, most)
        return jax.tree_util.Partial(alpine, phases)


def cos_mixture(numbers: Float[Array, "3"], x: Float[Array, "B d"]) -> Float[Array, " B"]:
    """The function of `CosMixture` with A, ω and φ."""
    A, omega, phi = numbers
    return -0.1 * A * jnp.sum(jnp.cos(omega * x + phi), axis=-1) - jnp.sum(x**2, axis=-1)


def alpine(phases: Float[Array, " d"], x: Float[Array, "B d"]) -> Float[Array, " B"]:
    """The function of `Alpine` with phases φ."""
    return jnp.sum(jnp.abs(x * jnp.sin(x + phases[None]) + 0.1 * x), axis=-1)


def uniform(
    key: PRNGKeyArray, shape: tuple[int, ...], low: Array | float, high: Array | float
) -> Float[Array, "*shape"]:
    """Uniform numbers, the same from a key whatever the precision that they are used in."""
    return low + (high - low) * jax.random.uniform(key, shape, jnp.float32).astype(float)
