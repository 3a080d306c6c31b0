"""Drawing without replacement, at a cost that does not grow with what there is to draw from."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, PRNGKeyArray


def choose(key: PRNGKeyArray, size: int, count: int) -> Int[Array, " count"]:
    """`count` different numbers below `size` in random order, all such draws being equally likely.

    The i-th number is drawn from the size − i that remain, by its rank among them: `count` random
    numbers in place of the `size` that a shuffle takes.
    """
    # 32 bits whatever the caller's settings, so that a key means the same task to everyone.
    places = jnp.arange(count, dtype=jnp.int32)
    ranks = jax.random.randint(key, (count,), 0, size - places, jnp.int32)

    def draw(taken, rank):  # `taken` is in ascending order, and filled up with what is too large
        # The j-th smallest of the taken has taken[j] - j numbers below it that remain.
        number = rank + jnp.sum(taken - places <= rank, dtype=jnp.int32)
        below = jnp.concatenate([jnp.full((1,), -1, jnp.int32), taken[:-1]])
        return jnp.maximum(below, jnp.minimum(taken, number)), number

    return jax.lax.scan(draw, jnp.full((count,), size + count, jnp.int32), ranks)[1]
