"""The largest curvature of a loss, and the direction it is found in, by power iteration."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PyTree


def largest_curvature(
    along: Callable[[PyTree], PyTree], like: PyTree, mode: PyTree | None = None, iterations: int = 1
) -> tuple[PyTree, Float[Array, ""]]:
    """The unit vector that a symmetric map stretches most, and by how much.

    The stretch comes out too small rather than too large; 0 where it is not known, since it is not
    finite.

    **Arguments:**

    - `along`: the map, such as products with a Hessian; a sign in front makes no difference.
    - `like`: what the map takes, for its shape.
    - `mode`: what was found for a map not far from this one. A little of another direction is mixed
      in, or one that becomes the largest on the way would never be found.
    - `iterations`: products with the map; without a `mode` seven more.
    """
    other = _any_direction(like)
    if mode is None:
        start, iterations = other, iterations + 7
    else:
        start = _unit(jax.tree.map(lambda m, o: m + 0.1 * o, mode, other))

    def improve(_, found):
        mode, _ = found
        change = along(mode)
        stretch = optax.tree.norm(change)
        known = (stretch > 0) & jnp.isfinite(stretch)
        turn = lambda c, m: jnp.where(known, c / jnp.where(known, stretch, 1), m).astype(m.dtype)
        return jax.tree.map(turn, change, mode), jnp.where(known, stretch, 0)

    unknown = jnp.zeros_like(optax.tree.norm(start))
    return jax.lax.fori_loop(0, iterations, improve, (start, unknown))


def _any_direction(like: PyTree) -> PyTree:
    """A unit vector of no meaning."""
    draw = lambda x: jnp.cos(jnp.arange(x.size, dtype=jnp.float32)).reshape(x.shape)
    return _unit(jax.tree.map(lambda x: draw(x).astype(x.dtype), like))


def _unit(vector: PyTree) -> PyTree:
    length = optax.tree.norm(vector)
    return jax.tree.map(lambda x: (x / length).astype(x.dtype), vector)
