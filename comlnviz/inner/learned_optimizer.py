"""An optax optimizer, any of whose settings may be learned."""

from collections.abc import Callable, Mapping
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

from .learned import AbstractLearned, check_names


@final
class LearnedOptimizer(AbstractLearned):
    """An optimizer with `Learned` in the places of some of its numbers.

        LearnedOptimizer(optax.adam, learning_rate=Learned(1e-3, per="layer"),
                         b1=Learned(0.9, domain="unit"), eps_root=1e-8)

    Where a setting is one a layer, array or number, every array is stepped by an optimizer of its
    own, so what looks at all parameters together (clipping a global norm) acts array by array.
    Adam and its kin have no derivative where a second moment is zero, as it is for a parameter
    without influence: give them `eps_root`.

    **Fields:**

    - `function`: makes an optax transformation, such as `optax.adam`.
    - `settings`: its keyword arguments.

    **Raises** `ValueError` for a setting that the optimizer does not have.

    Source: GIMLI (Grefenstette et al. 2019), Section 2.2, φ_opt.
    """

    function: Callable[..., optax.GradientTransformation] = eqx.field(static=True)
    settings: Mapping[str, Any]

    def __init__(self, function: Callable[..., optax.GradientTransformation], **settings: Any):
        check_names(function, settings, 0)
        self.function, self.settings = function, settings

    @classmethod
    def of(cls, optimizer: Any) -> "LearnedOptimizer":
        """The same, or a plain optax transformation, in which nothing is learned."""
        return optimizer if isinstance(optimizer, cls) else cls(lambda: optimizer)

    def __call__(self, phi: dict[str, Any]) -> optax.GradientTransformation:
        """The optax transformation at φ, differentiable in φ."""
        learned = self.learned
        fixed = {n: s for n, s in self.settings.items() if n not in learned}
        spread = any(s.spread for s in learned.values())

        def parts(tree):
            return jax.tree_util.tree_leaves_with_path(tree) if spread else [((), tree)]

        def own(path, step):
            values = {n: s.at(phi[n], path, step) for n, s in learned.items()}
            return self.function(**fixed, **values)

        def init(params):
            return jnp.zeros((), int), [own(path, 0).init(part) for path, part in parts(params)]

        def update(updates, state, params=None):
            step, memories = state
            moved = [
                own(path, step).update(gradient, memory, part)
                for (path, gradient), memory, (_, part) in zip(
                    parts(updates), memories, parts(params), strict=True
                )
            ]
            new = [u for u, _ in moved]
            whole = jax.tree.structure(updates).unflatten(new) if spread else new[0]
            return whole, (step + 1, [memory for _, memory in moved])

        return optax.GradientTransformation(init, update)
