"""Steps short enough that the solver damps what the flow damps.

In a gradient flow errors die out, the faster the larger the curvature. An explicit solver does as
much only while its steps are short against that curvature. Rules that watch the error alone let
steps grow beyond: what had died out grows again until the error shows it. The state survives that,
within the tolerance. The derivative of the steps grows with each of them, and no error shows it.
"""

from collections.abc import Callable
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

# (y, args, mode) → the fastest mode at y, and its curvature; `mode` is what it was before.
Fastest = Callable[[PyTree, Any, PyTree | None], tuple[PyTree, Float[Array, ""]]]

# Of the longest stable step. Within a step the curvature moves, and it is known to a few per cent.
MARGIN = 0.7


def hold(tree: PyTree) -> PyTree:
    """The tree, its arrays held constant for differentiation."""
    return jax.tree.map(lambda x: jax.lax.stop_gradient(x) if eqx.is_array(x) else x, tree)


class Damped(diffrax.AbstractStepSizeController):
    """Another controller's steps, cut to where the solver is well within its stability.

    **Fields:**

    - `controller`: the one that watches the error.
    - `fastest`: how the largest curvature is followed. The eigenvalues of the field's Jacobian
      must be real, as in a gradient flow.
    - `reach`: of the solver's stability along the negative real axis.
    """

    controller: diffrax.AbstractStepSizeController
    fastest: Fastest = eqx.field(static=True)
    reach: float = eqx.field(static=True)

    def wrap(self, direction):
        """See Diffrax."""
        return Damped(self.controller.wrap(direction), self.fastest, self.reach)

    def init(self, terms, t0, t1, y0, dt0, args, func, error_order):
        """See Diffrax."""
        t1, state = self.controller.init(terms, t0, t1, y0, dt0, args, func, error_order)
        mode, curvature = self._fastest(y0, args, None)
        return jnp.minimum(t1, t0 + self._longest(curvature)), (state, mode)

    def adapt_step_size(
        self, t0, t1, y0, y1_candidate, args, y_error, error_order, controller_state
    ):
        """See Diffrax. A step into a curvature that it was too long for is taken again."""
        state, mode = controller_state
        keep, next_t0, next_t1, made_jump, state, result = self.controller.adapt_step_size(
            t0, t1, y0, y1_candidate, args, y_error, error_order, state
        )
        mode, curvature = self._fastest(y1_candidate, args, mode)
        keep &= ~((t1 - t0) * curvature > self.reach)
        next_t0, length = jnp.where(keep, next_t0, t0), next_t1 - next_t0
        next_t1 = next_t0 + jnp.minimum(length, self._longest(curvature))
        return keep, next_t0, next_t1, made_jump, (state, mode), result

    def _fastest(self, y, args, mode):
        y, args = hold((y, args))
        return self.fastest(y, args, mode)

    def _longest(self, curvature: Float[Array, ""]) -> Float[Array, ""]:
        """The longest step; without a bound where nothing bends, or nothing is known."""
        bends = curvature > 0
        return jnp.where(bends, MARGIN * self.reach / jnp.where(bends, curvature, 1), jnp.inf)
