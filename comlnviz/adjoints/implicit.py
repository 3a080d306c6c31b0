"""iMAML: differentiate the minimum that was found, not the way to it."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.sparse.linalg import cg
from jaxtyping import Array, Float, PyTree

from ..counts import check_counts
from ..objective import Objective, square_distance
from .base import AbstractDescentAdjoint, materialise, record_only
from .unrolled import Unrolled


class Implicit(AbstractDescentAdjoint):
    """Descend on L(u) + ½λ‖u − u0‖² and take the gradient of its minimum by the implicit
    function theorem: (∇²L + λI) w = costate by conjugate gradients, then λw for u0.

    The one adjoint that changes the problem: it adds the proximal term itself, since without it
    the minimum would not depend on u0. Exact if descent has converged; approximate otherwise, as
    in the paper. Gives λ, the data and the loss's own parameters their gradients, the optimizer's
    settings none (the minimum does not depend on them).

    Memory: a few copies of the parameters, independent of the number of steps.

    **Arguments:**

    - `proximal`: λ > 0. The minimum is unique only where ∇²L + λI is positive definite.
    - `cg_steps`: iterations of conjugate gradients; each costs a Hessian-vector product.

    Source: iMAML (Rajeswaran et al. 2019), Algorithms 1 and 2.
    """

    proximal: Float[Array, ""] | float = 1.0
    cg_steps: int = eqx.field(default=20, static=True)

    def __check_init__(self):
        check_counts(cg_steps=self.cg_steps)
        if isinstance(self.proximal, int | float) and not self.proximal > 0:
            raise ValueError(f"proximal must be positive; got {self.proximal}.")

    def descend(self, objective, params, num_steps, optimizer, path):
        """See `AbstractDescentAdjoint`."""
        if objective.step is not None:
            raise ValueError(
                "Implicit() differentiates the minimum of one loss, and a stepwise loss has none: "
                "use StoredStates()."
            )
        lam = jnp.asarray(self.proximal, jnp.result_type(*jax.tree.leaves(params)))
        floats, fixed = eqx.partition((objective, params, lam), eqx.is_inexact_array)
        stopped = eqx.combine(jax.lax.stop_gradient(floats), fixed)
        proximal = Objective(_proximal_loss, stopped)
        final, states = Unrolled().descend(proximal, stopped[1], num_steps, optimizer, path)
        found = jax.lax.stop_gradient((final, states))  # the optimizer's settings too
        final, states = _minimum((params, objective, lam), found=found, cg_steps=self.cg_steps)
        return final, record_only(states, "Implicit()")


def _proximal_loss(u: PyTree, data: tuple[Objective, PyTree, Array]) -> Array:
    objective, u0, lam = data
    return objective(u) + lam / 2 * square_distance(u, u0)


@eqx.filter_custom_vjp
def _minimum(inputs, *, found, cg_steps):
    return found


@_minimum.def_fwd
def _forward(perturbed, inputs, *, found, cg_steps):
    return found, None


@_minimum.def_bwd
def _backward(residual, cotangent, perturbed, inputs, *, found, cg_steps):
    u0, objective, lam = inputs
    found, _ = found  # the path goes through `record_only`, which lets no cotangent pass
    costate = materialise(cotangent[0], found)

    def regularised(v):
        Hv, _ = objective.curvature(found, v)
        return jax.tree.map(lambda h, x: h + lam * x, Hv, v)

    # The number of steps is the budget: fewer only when the residual is at rounding level. Not
    # lineax's CG, which answers NaN where a direction has next to no curvature: at a network's
    # parameters ∇²L + λI need not be positive definite.
    eps = float(jnp.finfo(lam.dtype).eps)
    w, _ = cg(regularised, costate, tol=eps, maxiter=cg_steps)
    _, shares = objective.curvature(found, w)
    to_lam = -sum(
        jnp.sum(a * (u - v))
        for a, u, v in zip(
            jax.tree.leaves(w), jax.tree.leaves(found), jax.tree.leaves(u0), strict=True
        )
    )
    return (
        jax.tree.map(lambda x: lam * x, w),
        jax.tree.map(jnp.negative, shares),
        to_lam,
    )
