"""MAML++: MAML with learned rates, a loss at every step, and a gentle start."""

from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PyTree

from ..adjoints import AbstractDescentAdjoint, FirstOrder, StoredStates
from ..inner import Learned, LearnedOptimizer, gradient_descent
from ..models import AbstractModel, AbstractNetwork
from ..models.layers import BatchNorm
from .base import ADAPTATION, AbstractNetworkAlgorithm, or_nan


class Meta(eqx.Module):
    """What MAML++ learns, and how many meta-steps it has taken.

    `norms` are each batch normalization's scales and offsets by inner step, (J, C); empty where
    all steps share the network's own.
    """

    network: AbstractNetwork
    optimizer: dict[str, PyTree]
    norms: list[tuple[Float[Array, "J C"], Float[Array, "J C"]]]
    step: Int[Array, ""]


def _default_optimizer() -> LearnedOptimizer:
    return LearnedOptimizer(optax.sgd, learning_rate=Learned(0.1, ("step", "array"), "real"))


@final
class MAMLpp(AbstractNetworkAlgorithm):
    """MAML++, with any optimizer inside.

    Exact, but for the first `first_order_steps` meta-steps.

    **Fields:**

    - `model`: the network's recipe. Its `normalization` says from where statistics come; the paper
      of GIMLI takes `"batch"`, those of the batch at hand, everywhere.
    - `optimizer`: by default SGD with a rate for each inner step and array, all 0.1 at first.
    - `num_steps`: J.
    - `multi_step`: over so many meta-steps the meta-loss goes from the mean of the query losses
      after every inner step to the last one's alone, as in MAML++'s code; 0 for the last at once.
    - `first_order_steps`: so many meta-steps do without second derivatives.
    - `per_step_norm`: each inner step has scales and offsets of its own for batch normalization,
      not adapted inside the task. More than J steps are then not possible.
    - `adjoint`: as in `gradient_descent`.

    Source: MAML++ (Antoniou et al. 2018), Section 4; GIMLI (Grefenstette et al. 2019), Section 5.2.
    The outer rate's cosine annealing is the outer optimizer's: `optax.cosine_decay_schedule`.
    """

    model: AbstractModel
    optimizer: LearnedOptimizer = eqx.field(
        default_factory=_default_optimizer, converter=LearnedOptimizer.of
    )
    num_steps: int = eqx.field(static=True, default=5)
    multi_step: int = eqx.field(static=True, default=0)
    first_order_steps: int = eqx.field(static=True, default=0)
    per_step_norm: bool = eqx.field(static=True, default=False)
    adjoint: AbstractDescentAdjoint = StoredStates()

    def init(self, key):
        """A fresh network, the optimizer's settings at their start."""
        network_key, key = jax.random.split(key)
        network = self.model.init(network_key)
        stack = lambda x: jnp.broadcast_to(x, (self.num_steps, *x.shape))
        norms = [(stack(n.scale), stack(n.offset)) for n in _norms(network)]
        return Meta(
            network,
            self.optimizer.init(key, network, self.num_steps),
            norms if self.per_step_norm else [],
            jnp.zeros((), int),
        )

    def adapt(self, meta, support):
        """See `AbstractAlgorithm`. The network has the last step's normalization."""
        solution = self._descend(meta, support, self.adjoint, path=False)
        last = self._at(meta, solution.params, self.num_steps - 1)
        return eqx.tree_at(lambda s: s.params, solution, last)

    def _at(self, meta, network: Any, step: Int[Array, ""] | int) -> Any:
        """The network with the normalization of an inner step."""
        if not self.per_step_norm:
            return network
        own = [x[step] for pair in meta.norms for x in pair]
        where = lambda n: [x for norm in _norms(n) for x in (norm.scale, norm.offset)]
        return eqx.tree_at(where, network, own)

    @jax.named_scope(ADAPTATION)
    def _descend(self, meta, support, adjoint, *, path):
        return gradient_descent(
            lambda network, data, step: self.criterion(self._at(meta, network, step), data),
            meta.network,
            support,
            self.num_steps,
            optimizer=self.optimizer(meta.optimizer),
            path=path,
            stepwise=True,
            adjoint=adjoint,
        )

    def step_weights(self, step: Int[Array, ""]) -> Float[Array, " J"]:
        """How much the query loss after each inner step counts at a meta-step."""
        J = self.num_steps
        left = jnp.maximum(1 - step / max(self.multi_step, 1), 0.03)
        early = jnp.where(step < self.multi_step, left / J, 0.0)
        return jnp.full(J, early).at[-1].set(1 - (J - 1) * early)

    def meta_grad(self, meta, task):
        """See `AbstractAlgorithm`; the loss is the weighted sum over the inner steps."""

        def after_each(meta, adjoint):
            """Logits of the queries after each inner step; after the last alone if that counts."""
            solution = self._descend(meta, task.support, adjoint, path=self.multi_step > 0)
            if not self.multi_step:
                network = self._at(meta, solution.params, self.num_steps - 1)
                return or_nan(solution, network(task.query[0]))[None]
            states, fixed = eqx.partition(solution.path, eqx.is_inexact_array)
            look = lambda state: self._at(meta, eqx.combine(state[0], fixed), state[1])(
                task.query[0]
            )
            after = jax.tree.map(lambda x: x[1:], states), jnp.arange(self.num_steps)
            return or_nan(solution, jax.lax.map(look, after))

        floats, fixed = eqx.partition(meta, eqx.is_inexact_array)

        def loss(floats):
            by = lambda adjoint: lambda f: after_each(eqx.combine(f, fixed), adjoint)
            if self.first_order_steps:
                gentle = meta.step < self.first_order_steps
                logits = jax.lax.cond(gentle, by(FirstOrder()), by(self.adjoint), floats)
            else:
                logits = by(self.adjoint)(floats)
            losses = jax.vmap(lambda x: self.criterion.loss(x, task.query[1]))(logits)
            weights = self.step_weights(meta.step) if self.multi_step else jnp.ones(1)
            return jnp.sum(weights * losses), self.criterion.score(logits[-1], task.query[1])

        return jax.value_and_grad(loss, has_aux=True)(floats)

    def after_step(self, meta, tasks):
        """See `AbstractAlgorithm`."""
        return eqx.tree_at(lambda m: m.step, meta, meta.step + 1)

    def monitor(self, meta):
        """By name, the mean value of every group."""
        return self.optimizer.means(meta.optimizer)


def _norms(network: Any) -> list[BatchNorm]:
    is_norm = lambda node: isinstance(node, BatchNorm)
    return [n for n in jax.tree.leaves(network, is_leaf=is_norm) if is_norm(n)]
