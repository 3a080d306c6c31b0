"""What a meta-gradient should be: the same problem in 64 bits, solved until it changes no more."""

import dataclasses
import math
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import PyTree

from ..adjoints import Checkpointed
from ..algorithms import AbstractAlgorithm, AbstractNetworkAlgorithm
from ..inner import gradient_descent
from ..models import AbstractModel
from ..objective import square_distance
from ..tasks import Task


@final
class ProximalDescent(AbstractNetworkAlgorithm):
    """iMAML's descent on L(u) + ½λ‖u − θ‖², differentiated through its steps.

    **Fields:** as iMAML's.
    """

    model: AbstractModel
    proximal: float
    step_size: float = 0.01
    num_steps: int = eqx.field(static=True, default=5)

    def adapt(self, meta, support):
        """See `AbstractAlgorithm`."""

        def loss(u, data):
            support, start = data
            return self.criterion(u, support) + self.proximal / 2 * square_distance(u, start)

        return gradient_descent(
            loss, meta, (support, meta), self.num_steps, optimizer=optax.sgd(self.step_size),
            adjoint=Checkpointed(),
        )  # fmt: skip


def relative_error(
    gradient: PyTree, meta: PyTree, task: Task, reference: AbstractAlgorithm
) -> float | None:
    """‖g − r‖ / ‖r‖ for a meta-gradient g and the one, r, that `reference` takes in 64 bits.

    Of the encoder and the initial head together; methods that learn T are not held to it. On the
    processor, for which 64 bits are no burden. `None` where the reference is not finite.

    **Arguments:**

    - `gradient`, `meta`, `task`: what was measured, and where; cast up, so that both start from
      the same numbers.
    - `reference`: an algorithm whose meta-gradient is exact, or as good as.
    """
    processor = jax.devices("cpu")[0]
    with jax.enable_x64(True), jax.default_device(processor):
        gradient, meta, task = (_cast(x, processor) for x in (gradient, meta, task))
        if hasattr(meta, "W0"):
            fresh = reference.init(jax.random.key(0))
            meta = dataclasses.replace(fresh, encoder=meta.encoder, W0=meta.W0)
        found = _leaves(eqx.filter_jit(reference.meta_grad)(meta, task)[1])
        pairs = list(zip(_leaves(gradient), found, strict=True))
        norm = math.sqrt(sum(float(jnp.sum(r**2)) for _, r in pairs))
        off = math.sqrt(sum(float(jnp.sum((g - r) ** 2)) for g, r in pairs))
    return off / norm if math.isfinite(norm) and norm > 0 else None


def _floats(tree: PyTree) -> PyTree:
    return eqx.filter(tree, eqx.is_inexact_array)


def _cast(tree: PyTree, device: Any) -> PyTree:
    arrays, rest = eqx.partition(tree, eqx.is_array)
    up = lambda x: x.astype(jnp.float64) if eqx.is_inexact_array(x) else x
    return eqx.combine(jax.tree.map(up, jax.device_put(arrays, device)), rest)


def _leaves(gradient: Any) -> list[jax.Array]:
    """Those that all methods share: T is not everybody's to learn."""
    if hasattr(gradient, "W0"):
        gradient = (gradient.encoder, gradient.W0)
    return jax.tree.leaves(_floats(gradient))
