"""Which arrays of a network a method adapts, and their names."""

import equinox as eqx
import jax
from jaxtyping import PyTree

from .layers import BatchNorm


def array_names(network: PyTree) -> list[str]:
    """The learned arrays by name, such as `encoder.blocks.0.0.kernel`; no running statistics."""
    return [_name(path) for path, _ in jax.tree_util.tree_leaves_with_path(_learned(network))]


def split(network: PyTree, frozen: tuple[str, ...] = ()) -> tuple[PyTree, PyTree]:
    """What is adapted, and what stays: each the network with `None` for what is in the other.

    Running statistics stay, which no gradient moves.

    **Arguments:**

    - `network`: any Equinox module.
    - `frozen`: names, of arrays or of what holds several: `head`, `encoder.blocks.0`.

    **Raises** `ValueError` for a name that does not exist, and when nothing is left to adapt.
    """
    learned = _learned(network)
    names = array_names(network)
    within = lambda name, part: name == part or name.startswith(f"{part}.")
    for part in frozen:
        if not any(within(name, part) for name in names):
            raise ValueError(f"There is no layer {part!r} to freeze: choose from {_parts(names)}.")
    free = [not any(within(name, part) for part in frozen) for name in names]
    if not any(free):
        raise ValueError(f"All layers are frozen, nothing is left to adapt: {_parts(names)}.")
    leaves, structure = jax.tree.flatten(learned)
    kept = [leaf if stays else None for leaf, stays in zip(leaves, free, strict=True)]
    moving = jax.tree.unflatten(structure, kept)
    spec = jax.tree.map(lambda x: x is not None, moving, is_leaf=lambda x: x is None)
    return eqx.partition(network, spec)


def count(network: PyTree) -> int:
    """How many numbers a network, or an update rule, has to learn."""
    return sum(x.size for x in jax.tree.leaves(_learned(network)))


def _learned(network: PyTree) -> PyTree:
    is_norm = lambda node: isinstance(node, BatchNorm)
    without = lambda norm: eqx.tree_at(
        lambda n: (n.mean, n.variance), norm, (None, None), is_leaf=lambda x: x is None
    )
    found = jax.tree.map(lambda x: without(x) if is_norm(x) else x, network, is_leaf=is_norm)
    return eqx.filter(found, eqx.is_inexact_array)


def _name(path: tuple) -> str:
    return jax.tree_util.keystr(path, simple=True, separator=".")


def _parts(names: list[str]) -> str:
    """Everything that holds arrays, but the arrays within normalization and the like."""
    parts = dict.fromkeys(name.rpartition(".")[0] or name for name in names)
    return ", ".join(parts)
