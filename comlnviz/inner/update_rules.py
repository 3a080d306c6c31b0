"""Update rules that transform each tensor's gradient on its own: Meta-SGD, KLin, KFC, CFC, Ag+b."""

from collections.abc import Callable
from math import prod
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from ..counts import check_counts
from .meta_optimizer import AbstractMetaOptimizer, AbstractUpdateRule
from .update_maps import (
    AbstractMap,
    Affine,
    Diagonal,
    Kronecker,
    LowRank,
    Network,
    as_matrices,
    from_matrices,
    matrix_shape,
)


@final
class Tensorwise(AbstractUpdateRule):
    """A map for each tensor: `maps` is a tree like the parameters, with a map for each array."""

    maps: PyTree

    def start(self, params):
        """See `AbstractUpdateRule`."""
        floats = eqx.filter(params, eqx.is_inexact_array)
        if unlike := sorted(_paths(_each(lambda _: 0, self.maps)) ^ _paths(floats)):
            raise ValueError(
                "The rule was made for parameters of another structure: "
                f"of it and these only one has {', '.join(unlike)}."
            )
        _each(lambda map_, p: _check(map_, p.shape), self.maps, floats)
        return ()

    def __call__(self, grads, hidden):
        """See `AbstractUpdateRule`."""
        update = lambda map_, g: from_matrices(map_(as_matrices(g)), g.shape)
        return _each(update, self.maps, grads), hidden


def _each(function: Callable, maps: PyTree, *trees: PyTree) -> PyTree:
    return jax.tree.map(function, maps, *trees, is_leaf=lambda x: isinstance(x, AbstractMap))


def _paths(tree: PyTree) -> set[str]:
    paths, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {f"params{jax.tree_util.keystr(path)}" for path, _ in paths}


def _check(map_: Any, shape: tuple[int, ...]) -> None:
    for part in (*(map_.maps if isinstance(map_, Network) else ()), map_):
        for name, wanted in part.needs(*matrix_shape(shape)).items():
            got = getattr(part, name).shape
            if got != wanted:
                raise ValueError(
                    f"{type(part).__name__}.{name} of shape {got} does not fit a parameter of "
                    f"shape {shape}: it must be {wanted}."
                )


def _tensorwise(make: Callable, params: PyTree, key: Any) -> Tensorwise:
    """`make(key, dtype, filters, n, m)` for each floating-point array, a key each."""
    leaves, structure = jax.tree.flatten(eqx.filter(params, eqx.is_inexact_array))
    keys = jax.random.split(key, max(1, len(leaves)))
    maps = [make(k, p.dtype, *matrix_shape(p.shape)) for k, p in zip(keys, leaves, strict=False)]
    return Tensorwise(jax.tree.unflatten(structure, maps))


def _identity(dtype: Any, n: int, m: int) -> Kronecker:
    return Kronecker(jnp.eye(n, dtype=dtype), jnp.eye(m, dtype=dtype))


def _network(maps: list, dtype: Any, n: int, m: int, apart: bool) -> Network:
    return Network(tuple(maps), jnp.ones((n, m), dtype) if apart else None)


@final
class MetaSGDRule(AbstractMetaOptimizer):
    """A learned rate for every parameter.

    **Fields:**

    - `rate`: that all start at.

    Source: Meta-SGD (Li et al. 2017), Algorithm 1.
    """

    rate: float = 1.0

    def init(self, params, key):
        """See `AbstractMetaOptimizer`."""
        make = lambda _, dtype, *shape: Diagonal(jnp.full(shape, self.rate, dtype))
        return _tensorwise(make, params, key)


@final
class KLin(AbstractMetaOptimizer):
    """U(G) = L G R, starting at the identity: gradient descent.

    With a rule that is not adapted within the task it is what the paper calls Meta-Curvature.

    Source: Decoupling Adaptation from Modeling (2020), Section 4.2, equation 5.
    """

    def init(self, params, key):
        """See `AbstractMetaOptimizer`."""
        make = lambda _, dtype, filters, n, m: _identity(dtype, n, m)
        return _tensorwise(make, params, key)


@final
class KFC(AbstractMetaOptimizer):
    """A fully connected network of Kronecker-factored layers with ReLU between them.

    All factors start at the identity. With more than one layer that is no gradient descent: of the
    gradient its positive part passes.

    **Fields:**

    - `depth`: the number of layers, at least 1; 2 in the paper's Synthetic experiment (one hidden
      layer), 4 in the others.
    - `apart`: unit-norm gradients in, their magnitude kept apart; so for the paper's convolutional
      networks, not for its linear ones.

    Source: Decoupling Adaptation from Modeling (2020), equations 6 and 7, Appendix A.1.2.
    """

    depth: int = eqx.field(static=True, default=4)
    apart: bool = eqx.field(static=True, default=True)

    def __check_init__(self):
        check_counts(depth=self.depth)

    def init(self, params, key):
        """See `AbstractMetaOptimizer`."""

        def make(_, dtype, filters, n, m):
            layers = [_identity(dtype, n, m) for _ in range(self.depth)]
            return _network(layers, dtype, n, m, self.apart)

        return _tensorwise(make, params, key)


@final
class CFC(AbstractMetaOptimizer):
    """A fully connected network of rank-r layers A = L Lᵀ with ReLU between them.

    **Fields:**

    - `rank`: r, at least 1.
    - `depth`, `apart`: as in `KFC`.

    Each L starts with independent normal entries of variance 2/(k + r), Glorot's, for gradients of
    k numbers; a kernel's filters share theirs.

    Source: Decoupling Adaptation from Modeling (2020), equation 8, Appendix A.2.3.
    """

    rank: int = eqx.field(static=True, default=1)
    depth: int = eqx.field(static=True, default=4)
    apart: bool = eqx.field(static=True, default=True)

    def __check_init__(self):
        check_counts(rank=self.rank, depth=self.depth)

    def init(self, params, key):
        """See `AbstractMetaOptimizer`."""
        glorot = jax.nn.initializers.glorot_normal()

        def make(key, dtype, filters, n, m):
            layer = lambda k: LowRank(glorot(k, (n * m, self.rank), dtype))
            layers = [layer(k) for k in jax.random.split(key, self.depth)]
            return _network(layers, dtype, n, m, self.apart)

        return _tensorwise(make, params, key)


@final
class FullLinear(AbstractMetaOptimizer):
    """U(g) = A g + b on each tensor, A a full matrix: the identity and zero at the start.

    For small models: A has as many numbers as the square of the tensor's.

    Source: Decoupling Adaptation from Modeling (2020), equation 2.
    """

    def init(self, params, key):
        """See `AbstractMetaOptimizer`."""

        def make(_, dtype, *shape):
            return Affine(jnp.eye(prod(shape), dtype=dtype), jnp.zeros(prod(shape), dtype))

        return _tensorwise(make, params, key)
