"""COMLN: the last layer follows a gradient flow whose length is learned."""

from typing import final

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .. import checks
from ..adjoints import AbstractLinearAdjoint, GramAdjoint
from ..inner import linear_flow
from ..models import AbstractEncoder, AbstractNetwork
from .base import AbstractHeadAlgorithm


class Meta(eqx.Module):
    """What COMLN learns: the encoder, the initial head, and how long to adapt."""

    encoder: AbstractNetwork
    W0: Float[Array, "N d"]
    log_T: Float[Array, ""]


@final
class COMLN(AbstractHeadAlgorithm):
    """Continuous-time meta-learning.

    For each task: embed the support set, follow dW/dt = −∇L(W) from W0 for time T, judge W(T) on
    the queries. Exact: the gradients in W0, the encoder and T are those of the flow, to the
    solver's tolerance (of the discrete steps, with `solver="euler"`). Memory constant in T.

    **Fields:**

    - `encoder`, `ways`: the embedding network's recipe, and the number N of classes.
    - `T`: at the start of meta-training; it is learned through its logarithm, so T > 0.
    - `solver`, `rtol`, `atol`, `dt0`, `max_steps`, `adjoint`: as in `linear_flow`.
    - `learn_T`: hold T at its opening value otherwise.
    - `label_smoothing`: ε ≥ 0; the meta-loss's labels give ε/N to every class (0: one-hot).

    Source: COMLN (Deleu et al. 2022), Algorithm 1 (meta-training) and Algorithm 5 (meta-test).
    """

    encoder: AbstractEncoder
    ways: int = eqx.field(static=True)
    T: float = 1.0
    solver: diffrax.AbstractSolver | str = eqx.field(static=True, default="dopri5")
    rtol: float | None = 1e-6
    atol: float | None = 1e-6
    dt0: float | None = None
    max_steps: int = eqx.field(static=True, default=4096)
    adjoint: AbstractLinearAdjoint = GramAdjoint()
    label_smoothing: float = eqx.field(static=True, default=0.0)
    learn_T: bool = eqx.field(static=True, default=True)

    def __check_init__(self):
        checks.time(self.T, float)
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(f"label_smoothing must lie in [0, 1); got {self.label_smoothing}.")

    def init(self, key):
        """Fresh encoder, Glorot-uniform W0, the opening T."""
        encoder_key, head_key = jax.random.split(key)
        make = jax.nn.initializers.glorot_uniform(in_axis=-1, out_axis=-2)
        W0 = make(head_key, (self.ways, self.encoder.size), float)
        return Meta(self.encoder.init(encoder_key), W0, jnp.log(jnp.asarray(self.T, W0.dtype)))

    def adapt_head(self, meta, features, labels):
        """See `AbstractHeadAlgorithm`."""
        T = jnp.exp(meta.log_T)
        return linear_flow(
            meta.W0,
            features,
            labels,
            T if self.learn_T else jax.lax.stop_gradient(T),
            solver=self.solver,
            rtol=self.rtol,
            atol=self.atol,
            dt0=self.dt0,
            max_steps=self.max_steps,
            adjoint=self.adjoint,
            throw=False,
        )

    def targets(self, labels):
        """See `AbstractAlgorithm`."""
        return (1 - self.label_smoothing) * labels + self.label_smoothing / self.ways

    def monitor(self, meta):
        """How long it adapts."""
        return {"T": jnp.exp(meta.log_T)}
