"""LEO: adapt a code of each class, from which its row of the classifier is decoded."""

from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from ..inner import gradient_descent
from ..models import MLP, AbstractEncoder, AbstractNetwork
from ..models.linear_head import cross_entropy, softmax_cross_entropy
from ..solution import Solution
from .base import AbstractHeadAlgorithm


class Meta(eqx.Module):
    """What LEO learns.

    **Fields:**

    - `encoder`: the embedding network; frozen features have none.
    - `code`, `relate`, `decode`: features to codes; a pair of codes to a share in the class's code;
      a code to a row of the classifier.
    - `log_rate`, `log_tuning_rate`: step sizes on codes and on the classifier.
    """

    encoder: AbstractNetwork
    code: Float[Array, "c d"]
    relate: AbstractNetwork
    decode: Float[Array, "d c"]
    log_rate: Float[Array, ""]
    log_tuning_rate: Float[Array, ""]


@final
class LEO(AbstractHeadAlgorithm):
    """Latent embedding optimization, the deterministic one.

    The support set is embedded in codes; every pair of examples is related, and the mean over the
    pairs of a class is its code. Gradient descent moves the codes, and then the classifier that
    they decode to. Exact: the gradient goes through all steps. Left out, as in the paper's ablation
    "deterministic": codes and weights are their distributions' means, so there is no divergence
    from a prior; and its penalties and dropout are left to the outer optimizer.

    **Fields:**

    - `encoder`, `ways`: the embedding network's recipe, and the number N of classes.
    - `code_size`: c, the numbers in a code.
    - `step_size`, `tuning_step_size`: at the start; both are learned through their logarithms.
    - `num_steps`, `tuning_steps`: on codes, and on the classifier.

    Source: LEO (Rusu et al. 2019), Algorithm 1, equations (1) to (6); settings of its Appendix B.
    """

    encoder: AbstractEncoder
    ways: int = eqx.field(static=True)
    code_size: int = eqx.field(static=True, default=64)
    step_size: float = 1.0
    num_steps: int = eqx.field(static=True, default=5)
    tuning_step_size: float = 1e-3
    tuning_steps: int = eqx.field(static=True, default=5)

    def init(self, key):
        """Fresh networks, Glorot-uniform maps, the opening step sizes."""
        keys = jax.random.split(key, 4)
        c, d = self.code_size, self.encoder.size
        make = jax.nn.initializers.glorot_uniform(in_axis=-1, out_axis=-2)
        log = lambda size: jnp.log(jnp.asarray(size, float))
        return Meta(
            self.encoder.init(keys[0]),
            make(keys[1], (c, d), float),
            MLP(2 * c, (2 * c, 2 * c, c), jax.nn.leaky_relu).init(keys[2]),
            make(keys[3], (d, c), float),
            log(self.step_size),
            log(self.tuning_step_size),
        )

    def codes(
        self, meta: Meta, features: Float[Array, "M d"], labels: Float[Array, "M N"]
    ) -> Float[Array, "N c"]:
        """The code of each class: the mean over its examples, each related to all examples."""
        each = features @ meta.code.T
        pair = lambda one, other: jnp.concatenate([one, other])
        pairs = jax.vmap(lambda one: jax.vmap(lambda other: pair(one, other))(each))(each)
        related = meta.relate(pairs.reshape(-1, pairs.shape[-1])).reshape(*pairs.shape[:2], -1)
        counts = jnp.sum(labels, axis=0)
        return labels.T @ jnp.mean(related, axis=1) / counts[:, None]

    def adapt_head(self, meta, features, labels) -> Solution:
        """See `AbstractHeadAlgorithm`."""

        def latent_loss(codes, data):
            (features, labels), decode = data
            return softmax_cross_entropy(features @ (codes @ decode.T).T, labels)

        found = gradient_descent(
            latent_loss,
            self.codes(meta, features, labels),
            ((features, labels), meta.decode),
            self.num_steps,
            optimizer=optax.sgd(jnp.exp(meta.log_rate)),
        )
        tuned = gradient_descent(
            cross_entropy,
            found.params @ meta.decode.T,
            (features, labels),
            self.tuning_steps,
            optimizer=optax.sgd(jnp.exp(meta.log_tuning_rate)),
        )
        return eqx.tree_at(lambda s: s.ok, tuned, tuned.ok & found.ok)

    def monitor(self, meta):
        """The step size on codes."""
        return {"rate": jnp.exp(meta.log_rate)}
