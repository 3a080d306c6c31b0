"""What a meta-optimizer is, and how one becomes an optax transformation."""

from abc import abstractmethod
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, PRNGKeyArray, PyTree


class AbstractUpdateRule(eqx.Module):
    """A learnable update U_ξ. Its floating-point arrays are ξ."""

    @abstractmethod
    def start(self, params: PyTree) -> PyTree:
        """What the rule remembers before the first step; `()` for a rule without a memory.

        **Raises** `ValueError` when the rule does not fit the parameters.
        """

    @abstractmethod
    def __call__(self, grads: PyTree, hidden: PyTree) -> tuple[PyTree, PyTree]:
        """U_ξ(g), to be subtracted from the parameters, and what to remember."""


class AbstractMetaOptimizer(eqx.Module):
    """A recipe for update rules: sizes, no numbers."""

    @abstractmethod
    def init(self, params: PyTree, key: PRNGKeyArray) -> AbstractUpdateRule:
        """A fresh rule for the floating-point arrays of `params`."""


class _Memory(NamedTuple):
    """Of the last step: the rule it took, what went in, and what came out to be remembered."""

    rule: PyTree
    grads: PyTree
    before: PyTree
    hidden: PyTree
    started: Bool[Array, ""]


class _Transformation(eqx.Module):
    rule: AbstractUpdateRule
    step_size: float | Float[Array, ""]
    adaptation: float | Float[Array, ""] | None

    def init(self, params: PyTree) -> PyTree:
        hidden = self.rule.start(params)
        if self.adaptation is None:
            return hidden
        zeros = jax.tree.map(jnp.zeros_like, params)
        learned = eqx.filter(self.rule, eqx.is_inexact_array)
        return _Memory(learned, zeros, hidden, hidden, jnp.array(False))

    def update(
        self, updates: PyTree, state: PyTree, params: PyTree | None = None
    ) -> tuple[PyTree, PyTree]:
        grads, memory = updates, state
        if self.adaptation is None:
            updates, hidden = self.rule(grads, memory)
            return self._scaled(updates), hidden
        fixed = eqx.filter(self.rule, eqx.is_inexact_array, inverse=True)
        rule = self._adapted(grads, memory, fixed)
        updates, hidden = eqx.combine(rule, fixed)(grads, memory.hidden)
        return self._scaled(updates), _Memory(
            rule, grads, memory.hidden, hidden, jnp.ones_like(memory.started)
        )

    def _adapted(self, grads: PyTree, memory: _Memory, fixed: PyTree) -> PyTree:
        """ξ after its own gradient step.

        The loss at hand, L(θ_t), depends on ξ_t through the update that led here alone, so ∇_ξ L
        is ∇L(θ_t) pulled back through that update: no further gradient of the loss is taken.
        """
        last = lambda rule: self._scaled(eqx.combine(rule, fixed)(memory.grads, memory.before)[0])
        slope = jax.vjp(last, memory.rule)[1](grads)[0]
        # Before the first step there was no update, and the loss does not depend on ξ.
        step = lambda x, s: jnp.where(memory.started, x - self.adaptation * s, x)
        return jax.tree.map(step, memory.rule, slope)

    def _scaled(self, updates: PyTree) -> PyTree:
        return jax.tree.map(lambda u: -self.step_size * u, updates)


def meta_optimizer(
    rule: AbstractUpdateRule,
    step_size: float | Float[Array, ""] = 1.0,
    *,
    adaptation: float | Float[Array, ""] | None = None,
) -> optax.GradientTransformation:
    """The rule as an optax transformation: θ ← θ − step_size · U_ξ(∇L(θ)).

    Differentiable in everything that the rule holds, and in both rates. With `adaptation` the rule
    itself moves within the task: from the second step on, before it is applied,
    ξ ← ξ − adaptation · ∇_ξ L(θ). The adapted rule lives in the transformation's state; `rule`
    stays what it was, the start that is meta-learned.

    In an `optax.chain` it has to come last: its own gradient takes the updates it returns for
    those that moved the parameters.

    **Arguments:**

    - `rule`: as a recipe's `init` makes it, for the floating-point arrays that are adapted.
    - `step_size`: multiplies the update. Printed as 1; with one step, however, ξ never moves, and
      the rates that the paper prints for one step can only be this one.
    - `adaptation`: α, the rate of ξ within the task; `None` leaves it as meta-learned.

    Source: Decoupling Adaptation from Modeling (2020), equations 3 and 4, Algorithm 1.
    """
    transformation: Any = _Transformation(rule, step_size, adaptation)
    return optax.GradientTransformation(transformation.init, transformation.update)
