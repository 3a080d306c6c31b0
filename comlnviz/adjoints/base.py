"""What an adjoint is: a rule that takes a meta-gradient back through an inner loop.

As in Diffrax, an adjoint never changes what an inner loop computes, only how it is differentiated
(with two exceptions, named there: `Implicit`, and how long adaptive steps of a flow are where these
steps are what is differentiated). Three kinds of loop, three abilities; an adjoint has one or
several.
"""

from abc import abstractmethod

import equinox as eqx
import equinox.internal as eqxi
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PyTree

from ..curvature import largest_curvature
from ..integrator import Integration, Integrator
from ..models import LinearHead
from ..objective import Objective


class AbstractAdjoint(eqx.Module):
    """A way to differentiate an inner loop."""


class AbstractLinearAdjoint(AbstractAdjoint):
    """An adjoint for `linear_flow`."""

    @abstractmethod
    def solve_linear(
        self,
        head: LinearHead,
        T: Float[Array, ""],
        ts: Float[Array, " n"] | None,
        integrator: Integrator,
    ) -> Integration:
        """s(T) of the head's flow, differentiable in the head."""


class AbstractFlowAdjoint(AbstractAdjoint):
    """An adjoint for `gradient_flow`."""

    @abstractmethod
    def solve_flow(
        self,
        objective: Objective,
        params: PyTree,
        T: Float[Array, ""],
        ts: Float[Array, " n"] | None,
        integrator: Integrator,
    ) -> Integration:
        """u(T) of du/dt = −∇L(u), differentiable in `params` and the objective."""


class AbstractDescentAdjoint(AbstractAdjoint):
    """An adjoint for `gradient_descent`."""

    @abstractmethod
    def descend(
        self,
        objective: Objective,
        params: PyTree,
        num_steps: int,
        optimizer: optax.GradientTransformation,
        path: bool,
    ) -> tuple[PyTree, PyTree | None]:
        """The last parameters and, if asked, all of them stacked, the start included."""


def head_field(s: Float[Array, "M N"], head: LinearHead) -> Float[Array, "M N"]:
    """ds/dt of a linear head's flow."""
    return head.vector_field(s)


def head_mode(
    s: Float[Array, "M N"], head: LinearHead, mode: Float[Array, "M N"] | None
) -> tuple[Float[Array, "M N"], Float[Array, ""]]:
    """In which direction, and how fast, errors of s die out."""
    return head.fastest_mode(s, mode)


def descent_field(params: PyTree, objective: Objective) -> PyTree:
    """du/dt = −∇L(u): the vector field of every gradient flow."""
    return jax.tree.map(jnp.negative, objective.gradient(params))


def descent_mode(
    params: PyTree, objective: Objective, mode: PyTree | None, iterations: int = 1
) -> tuple[PyTree, Float[Array, ""]]:
    """In which direction, and how fast, errors of u die out (or grow); `mode` was it before."""
    _, along = jax.linearize(objective.gradient, params)
    return largest_curvature(along, params, mode, iterations)


def materialise(cotangent: PyTree, like: PyTree) -> PyTree:
    """The cotangent with zeros where Equinox leaves `None` for what nothing depends on."""
    fill = lambda c, x: jax.tree.map(jnp.zeros_like, x) if c is None else c
    return jax.tree.map(fill, cotangent, like, is_leaf=lambda x: x is None)


def with_start(params: PyTree, states: PyTree) -> PyTree:
    """The states after every step, with the start put in front."""
    return jax.tree.map(lambda p, s: jnp.concatenate([p[None], s]), params, states)


def record_only(path: PyTree | None, name: str) -> PyTree | None:
    """`path`, which raises when a gradient is asked of it rather than giving zero."""
    if path is None:
        return None
    return eqxi.nondifferentiable_backward(
        path,
        msg=f"{name} takes gradients through Solution.params only, not through Solution.path: "
        "use Checkpointed() or Unrolled() to differentiate the path.",
    )
