"""A-MAML: gradient flow of the whole network, differentiated by the adjoint method."""

from typing import final

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from .. import checks
from ..adjoints import AbstractFlowAdjoint, StoredStates
from ..inner import gradient_flow
from ..models import AbstractModel, AbstractNetwork, Labelled
from ..objective import square_distance
from ..solution import Solution
from .base import AbstractNetworkAlgorithm


class Meta(eqx.Module):
    """What A-MAML learns: the initial network; and log T, where T is learned.

    Tasks may differ in T: give `log_T` an axis and `jax.vmap` over it and the tasks.
    """

    network: AbstractNetwork
    log_T: Float[Array, ""]


@final
class AMAML(AbstractNetworkAlgorithm):
    """Adjoint MAML: learn an initialization from which the gradient flow goes far in time T.

    The meta-gradient is that of the flow, to the accuracy of the adjoint: with `StoredStates` the
    states of the forward solve are kept and the costate is followed back over them, at a cost in
    memory that does not depend on T.

    **Fields:**

    - `model`: the network's recipe.
    - `T`: how long to adapt, in units in which a gradient step of size α lasts α. Held, or, with
      `learn_T`, where it starts.
    - `solver`, `rtol`, `atol`, `dt0`, `max_steps`, `adjoint`: as in `gradient_flow`. The paper
      stores a state every 0.01: `StoredStates(1 + round(100 * T))`.
    - `proximal`: λ of a term ½λ‖u − u(0)‖² in the inner loss. None in the paper; its released code
      has λ = 1.
    - `learn_T`: whether T follows its gradient, which costs nothing.
    - `slowest`: early stopping, each task at its own time: when its loss falls by less than this a
      unit of time (−dL/dt = ‖∇L‖²), looked at after every hundredth of T. Costs a forward solve.
      `None` for none. The paper leaves the criterion open.

    Source: A-MAML (Li et al. 2023), Section 3, Algorithms 1 and 2.
    """

    model: AbstractModel
    T: float = 1.0
    solver: diffrax.AbstractSolver | str = eqx.field(static=True, default="dopri5")
    rtol: float | None = 1e-6
    atol: float | None = 1e-6
    dt0: float | None = None
    max_steps: int = eqx.field(static=True, default=4096)
    adjoint: AbstractFlowAdjoint = StoredStates()
    proximal: float = eqx.field(static=True, default=0.0)
    learn_T: bool = eqx.field(static=True, default=False)
    slowest: float | None = None

    def __check_init__(self):
        checks.time(self.T, float)
        if not self.proximal >= 0:
            raise ValueError(f"proximal must be zero or positive; got {self.proximal}.")
        if self.slowest is not None and not self.slowest > 0:
            raise ValueError(f"slowest must be positive, or None; got {self.slowest}.")

    def init(self, key):
        """A fresh network, the opening T."""
        return Meta(self.model.init(key), jnp.log(jnp.asarray(self.T, float)))

    def adapt(self, meta, support):
        """See `AbstractAlgorithm`."""
        T = jnp.exp(meta.log_T)
        T = T if self.learn_T else jax.lax.stop_gradient(T)
        return self._flow(meta.network, support, self.stopping_time(meta.network, support, T))

    def inner_loss(self, network: AbstractNetwork, data: tuple[Labelled, PyTree]) -> Array:
        """The loss of a network on a support set, and its distance from where it started."""
        support, start = data
        loss = self.criterion(network, support)
        if start is None:
            return loss
        return loss + self.proximal / 2 * square_distance(network, start)

    def stopping_time(
        self, network: AbstractNetwork, support: Labelled, T: Float[Array, ""]
    ) -> Float[Array, ""]:
        """When adaptation ends: at T, or where the loss has come to fall too slowly before."""
        if self.slowest is None:
            return T
        network, support, end = jax.lax.stop_gradient((network, support, T))
        ts = end * jnp.linspace(0.01, 1, 100, dtype=T.dtype)
        states, fixed = eqx.partition(self._flow(network, support, end, ts).path, eqx.is_array)
        data = self._data(network, support)

        def slope(state):
            gradient = eqx.filter_grad(self.inner_loss)(eqx.combine(state, fixed), data)
            return sum(jnp.sum(g**2) for g in jax.tree.leaves(gradient))

        slow = jax.lax.map(slope, states) < self.slowest
        return jnp.where(jnp.any(slow), ts[jnp.argmax(slow)], T)

    def _data(self, network: AbstractNetwork, support: Labelled) -> tuple[Labelled, PyTree]:
        return support, eqx.filter(network, eqx.is_inexact_array) if self.proximal else None

    def _flow(
        self,
        network: AbstractNetwork,
        support: Labelled,
        T: Float[Array, ""],
        ts: Float[Array, " n"] | None = None,
    ) -> Solution:
        return gradient_flow(
            self.inner_loss, network, self._data(network, support), T, ts=ts, solver=self.solver,
            rtol=self.rtol, atol=self.atol, dt0=self.dt0, max_steps=self.max_steps,
            adjoint=self.adjoint, throw=False,
        )  # fmt: skip

    def monitor(self, meta):
        """How long it adapts."""
        return {"T": jnp.exp(meta.log_T)}
