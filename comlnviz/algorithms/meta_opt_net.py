"""MetaOptNet: a convex learner as the last layer, ridge regression or support vectors."""

from typing import final

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..models import AbstractEncoder, AbstractNetwork
from .base import AbstractHeadAlgorithm
from .closed_form import done, ridge


class Meta(eqx.Module):
    """What MetaOptNet learns: the encoder, and the scale of its logits."""

    encoder: AbstractNetwork
    scale: Float[Array, ""]


class AbstractMetaOptNet(AbstractHeadAlgorithm):
    """A convex learner without settings of its own to learn, but for the scale of its logits."""

    def init(self, key):
        """A fresh encoder, scale 1."""
        return Meta(self.encoder.init(key), jnp.ones(()))

    def classify(self, meta, head, features):
        """See `AbstractHeadAlgorithm`."""
        return meta.scale * (features @ head.T)

    def monitor(self, meta):
        """The scale."""
        return {"scale": meta.scale}


@final
class MetaOptNetRR(AbstractMetaOptNet):
    """MetaOptNet with ridge regression: a fixed, strong ridge and a learned scale of the logits.

    Exact. The paper solves the dual by a QP solver; for ridge regression the closed form is the
    same minimum.

    **Fields:**

    - `encoder`, `ways`: the embedding network's recipe, and the number N of classes.
    - `ridge`: λ = 50 in the paper.

    Source: MetaOptNet (Lee et al. 2019), Section 3 and its ridge-regression head.
    """

    encoder: AbstractEncoder
    ways: int = eqx.field(static=True)
    ridge: float = 50.0

    def adapt_head(self, meta, features, labels):
        """See `AbstractHeadAlgorithm`."""
        return done(ridge(features, labels, self.ridge))


@final
class MetaOptNetSVM(AbstractMetaOptNet):
    """MetaOptNet with a support vector machine for many classes (Crammer & Singer 2001).

    The dual, a quadratic program in M·N numbers, is solved by qpax's interior point method. Its
    solution is exact to `tolerance`; its derivative is that of the program whose complementarity
    is relaxed to `smoothing`, approximate where a constraint is nearly active.

    **Fields:**

    - `encoder`, `ways`: the embedding network's recipe, and the number N of classes.
    - `regularization`: C, the largest weight of an example; 0.1 in the paper.
    - `tolerance`, `smoothing`: of the solver and of its derivative.

    Source: MetaOptNet (Lee et al. 2019), Section 3.2, equations 9 and 10, with the identity that
    its code adds to the kernel, for a unique minimum.
    """

    encoder: AbstractEncoder
    ways: int = eqx.field(static=True)
    regularization: float = 0.1
    tolerance: float = eqx.field(static=True, default=1e-5)
    smoothing: float = eqx.field(static=True, default=1e-4)

    def adapt_head(self, meta, features, labels):
        """See `AbstractHeadAlgorithm`. **Raises** `ModuleNotFoundError` without qpax."""
        import qpax

        examples, classes = labels.shape
        eye = lambda size: jnp.eye(size, dtype=features.dtype)
        kernel = features @ features.T
        # α is flattened example by example; its rows sum to zero, and α ≤ C·labels.
        alpha = qpax.solve_qp_primal(
            jnp.kron(kernel, eye(classes)) + eye(labels.size),
            -labels.reshape(-1),
            jnp.kron(eye(examples), jnp.ones((1, classes), features.dtype)),
            jnp.zeros(examples, features.dtype),
            eye(labels.size),
            self.regularization * labels.reshape(-1),
            solver_tol=self.tolerance,
            target_kappa=self.smoothing,
        )
        return done(alpha.reshape(labels.shape).T @ features)
