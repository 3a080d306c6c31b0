"""The linear classifier on top of an embedding, and its loss in the small coordinates `s`.

The gradient of the cross-entropy is a sum of M rank-one matrices whose second factor, the feature
vector, never moves (COMLN, Lemma 1). Hence W(t) = W0 − Σ_m s_m(t) φ_mᵀ, and everything about the
flow is known from M·N numbers and the Gram matrix, whatever the embedding size d.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..curvature import largest_curvature


def _residual(logits: Float[Array, "*M N"], labels: Float[Array, "*M N"]) -> Float[Array, "*M N"]:
    """softmax(logits) − labels, with the digits kept near convergence.

    Both terms sum to one, so the entry of the largest label is minus the sum of the other
    entries. Subtracting directly would leave rounding noise there once p ≈ y, and an adaptive
    solver in float32 then takes several times the steps to resolve noise.
    """
    plain = jax.nn.softmax(logits) - labels
    top = jax.nn.one_hot(jnp.argmax(labels, axis=-1), labels.shape[-1], dtype=bool)
    others = jnp.sum(jnp.where(top, 0, plain), axis=-1, keepdims=True)
    return jnp.where(top, -others, plain)


class LinearHead(eqx.Module):
    """A linear head on a support set, seen through its Gram matrix.

    **Fields** (M examples, N classes):

    - `gram`: inner products φφᵀ of the embedded examples.
    - `logits0`: φW0ᵀ, the logits before adaptation.
    - `labels`: one probability vector a row, one-hot or smoothed.
    - `proximal`: λ, the weight of ½λ‖W − W0‖².

    Source: COMLN (Deleu et al. 2022), Lemma 1 and Proposition 1.
    """

    gram: Float[Array, "M M"]
    logits0: Float[Array, "M N"]
    labels: Float[Array, "M N"]
    proximal: Float[Array, ""]

    @classmethod
    def on(
        cls,
        W0: Float[Array, "N d"],
        features: Float[Array, "M d"],
        labels: Float[Array, "M N"],
        proximal: Float[Array, ""],
    ) -> "LinearHead":
        """The head with weights `W0` on embedded examples `features`."""
        return cls(features @ features.T, features @ W0.T, labels, proximal)

    def start(self) -> Float[Array, "M N"]:
        """s(0) = 0."""
        return jnp.zeros_like(self.logits0)

    def logits(self, s: Float[Array, "M N"]) -> Float[Array, "M N"]:
        """Logits of the examples at state `s`."""
        return self.logits0 - self.gram @ s

    def vector_field(self, s: Float[Array, "M N"]) -> Float[Array, "M N"]:
        """ds/dt = (p − y)/M − λs (Proposition 1)."""
        return _residual(self.logits(s), self.labels) / s.shape[0] - self.proximal * s

    def curvature(self, s: Float[Array, "M N"]) -> Float[Array, "M N N"]:
        """A_m = (diag(p_m) − p_m p_mᵀ)/M, the Hessian of one example's loss in its logits.

        Its rows sum to zero; the diagonal is computed from the rest, since p(1 − p) loses its
        digits as p → 1.
        """
        p = jax.nn.softmax(self.logits(s))
        eye = jnp.eye(p.shape[-1], dtype=bool)[None]
        off = jnp.where(eye, 0, -p[:, :, None] * p[:, None, :])
        return jnp.where(eye, -jnp.sum(off, axis=-1, keepdims=True), off) / p.shape[0]

    def fastest_mode(
        self, s: Float[Array, "M N"], mode: Float[Array, "M N"] | None = None
    ) -> tuple[Float[Array, "M N"], Float[Array, ""]]:
        """The direction in which errors of `s` die out fastest, and how fast: the curvature.

        By power iteration; the curvature comes out too small rather than too large.

        **Arguments:**

        - `mode`: what it was a little earlier, a unit vector that one iteration improves. By
          default eight, from a vector of no meaning.
        """
        _, along = jax.linearize(self.vector_field, s)
        return largest_curvature(along, s, mode)


def cross_entropy(
    W: Float[Array, "N d"], data: tuple[Float[Array, "M d"], Float[Array, "M N"]]
) -> Float[Array, ""]:
    """Mean cross-entropy of the linear classifier `W` on `(features, labels)` (COMLN, Section 4).

    The same loss `linear_flow` descends, written for `gradient_flow` and `gradient_descent`.
    """
    features, labels = data
    return softmax_cross_entropy(features @ W.T, labels)


def softmax_cross_entropy(
    logits: Float[Array, "M N"], labels: Float[Array, "M N"]
) -> Float[Array, ""]:
    """Mean cross-entropy of softmax(logits) against rows that are probability vectors."""
    return -jnp.mean(jnp.sum(labels * jax.nn.log_softmax(logits), axis=-1))
