"""Learnable maps of one tensor's gradient, laid out as matrices."""

from abc import abstractmethod

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def matrix_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """(filters, n, m): a tensor's gradient as matrices G, n×m, that share one transformation.

    A vector is a column. Of a convolution's kernel (height, width, inputs, outputs) every output
    is a filter, n is height · width and m the number of inputs.

    **Raises** `ValueError` for tensors that are neither.

    Source: Decoupling Adaptation from Modeling (2020), Appendix A.1.2.
    """
    if len(shape) == 4:
        return shape[3], shape[0] * shape[1], shape[2]
    if len(shape) > 2:
        raise ValueError(
            "Update rules take numbers, vectors, matrices and kernels (height, width, inputs, "
            f"outputs); got a parameter of shape {shape}."
        )
    n, m = (*shape, 1, 1)[:2]
    return 1, n, m


def as_matrices(g: Array) -> Float[Array, "filters n m"]:
    """A tensor laid out as `matrix_shape` says."""
    g_first = jnp.moveaxis(g, -1, 0) if g.ndim == 4 else g
    return g_first.reshape(matrix_shape(g.shape))


def from_matrices(G: Float[Array, "filters n m"], shape: tuple[int, ...]) -> Array:
    """The way back from `as_matrices`."""
    if len(shape) == 4:
        return jnp.moveaxis(G.reshape(shape[-1], *shape[:-1]), 0, -1)
    return G.reshape(shape)


class AbstractMap(eqx.Module):
    """A learnable map of gradient matrices to updates of the same shape."""

    @abstractmethod
    def needs(self, filters: int, n: int, m: int) -> dict[str, tuple[int, ...]]:
        """The shapes that its arrays must have for such gradients, by field."""

    @abstractmethod
    def __call__(self, G: Float[Array, "filters n m"]) -> Float[Array, "filters n m"]:
        """The update."""


class Diagonal(AbstractMap):
    """A rate for every number."""

    rates: Float[Array, "filters n m"]

    def needs(self, filters, n, m):
        """See `AbstractMap`."""
        return {"rates": (filters, n, m)}

    def __call__(self, G):
        """See `AbstractMap`."""
        return self.rates * G


class Kronecker(AbstractMap):
    """L G R, which is (Rᵀ ⊗ L) vec(G) without the large matrix (equation 5)."""

    L: Float[Array, "n n"]
    R: Float[Array, "m m"]

    def needs(self, filters, n, m):
        """See `AbstractMap`."""
        return {"L": (n, n), "R": (m, m)}

    def __call__(self, G):
        """See `AbstractMap`."""
        left = jnp.einsum("ij,fjk->fik", self.L, G) if len(self.L) > 1 else self.L[None] * G
        return left @ self.R if len(self.R) > 1 else left * self.R[None]


class LowRank(AbstractMap):
    """L (Lᵀ vec G): symmetric, of rank at most r (equation 8)."""

    L: Float[Array, "nm r"]

    def needs(self, filters, n, m):
        """See `AbstractMap`."""
        return {"L": (n * m, self.L.shape[-1])}

    def __call__(self, G):
        """See `AbstractMap`."""
        flat = G.reshape(len(G), -1)
        return ((flat @ self.L) @ self.L.T).reshape(G.shape)


class Affine(AbstractMap):
    """A vec(G) + b with a full matrix (equation 2)."""

    A: Float[Array, "k k"]
    b: Float[Array, " k"]

    def needs(self, filters, n, m):
        """See `AbstractMap`."""
        k = filters * n * m
        return {"A": (k, k), "b": (k,)}

    def __call__(self, G):
        """See `AbstractMap`."""
        return (self.A @ G.ravel() + self.b).reshape(G.shape)


class Network(AbstractMap):
    """Maps in a row, ReLU between them (equations 6 and 7).

    **Fields:**

    - `maps`: the layers.
    - `factor`: with it, direction and magnitude are kept apart: the tensor's gradient is scaled to
      unit norm, and what comes out is multiplied by that norm and, number by number, by the
      factor, which filters share and which starts at one. `None` passes the gradient as it is.
    """

    maps: tuple[AbstractMap, ...]
    factor: Float[Array, "n m"] | None = None

    def needs(self, filters, n, m):
        """See `AbstractMap`: `factor` alone, the layers being asked themselves."""
        return {} if self.factor is None else {"factor": (n, m)}

    def __call__(self, G):
        """See `AbstractMap`."""
        if self.factor is None:
            return self._forward(G)
        square = jnp.sum(G**2)
        some = square > 0  # the norm has no derivative at zero, where the update is zero
        norm = jnp.where(some, jnp.sqrt(jnp.where(some, square, 1)), 0)
        unit = G / jnp.where(some, norm, 1)
        return norm * self.factor[None] * self._forward(unit)

    def _forward(self, G: Array) -> Array:
        for layer, map_ in enumerate(self.maps):
            G = map_(jax.nn.relu(G) if layer else G)
        return G
