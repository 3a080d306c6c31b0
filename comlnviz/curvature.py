"""The largest curvature of a loss, and the direction it is found in, by power iteration."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PyTree


def largest_curvature(
    along: Callable[[PyTree], PyTree], mode: PyTree, iterations: int = 1
) -> tuple[PyTree, Float[Array, ""]]:
    """The unit vector that a symmetric map stretches most, and by how much.

    The stretch comes out too small rather than too large, and close to it when iterations begin
    from a vector that was found for a map not far from this one.

    **Arguments:**

    - `along`: the map, such as products with a Hessian; a sign in front makes no difference.
    - `mode`: the unit vector to begin with.
    """

    def improve(_, known):
        mode, _ = known
        change = along(mode)
        stretch = optax.tree.norm(change)
        moves = stretch > 0
        turn = lambda c, m: jnp.where(moves, c / jnp.where(moves, stretch, 1), m)
        return jax.tree.map(turn, change, mode), stretch

    unknown = jnp.zeros_like(optax.tree.norm(mode))
    return jax.lax.fori_loop(0, iterations, improve, (mode, unknown))


def any_direction(like: PyTree) -> PyTree:
    """A unit vector of no meaning, in the shape of `like`."""
    draw = lambda x: jnp.cos(jnp.arange(x.size, dtype=x.dtype)).reshape(x.shape)
    drawn = jax.tree.map(draw, like)
    size = optax.tree.norm(drawn)
    return jax.tree.map(lambda x: x / size, drawn)
