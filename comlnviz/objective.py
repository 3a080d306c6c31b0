"""A loss on its data, seen as a function of the parameters alone."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree


def strong(tree: PyTree) -> PyTree:
    """The tree with its Python-like scalars made arrays.

    Outside `jit`, `jax.grad` at a Python float hands custom rules a scalar that Equinox does not
    take for an array: its gradient would silently be zero.
    """
    make = lambda x: jax.lax.convert_element_type(x, x.dtype) if eqx.is_inexact_array(x) else x
    return jax.tree.map(make, tree)


def square_distance(a: PyTree, b: PyTree) -> Float[Array, ""]:
    """‖a − b‖², over all floating-point arrays."""
    a, b = (eqx.filter(tree, eqx.is_inexact_array) for tree in (a, b))
    squares = jax.tree.map(lambda a, b: jnp.sum((a - b) ** 2), a, b)
    return jnp.asarray(sum(jax.tree.leaves(squares)))


class Objective(eqx.Module):
    """u ↦ loss(u, data), with its gradient and second derivatives.

    Where the loss changes from step to step it is loss(u, data, step), and `at` chooses the step.
    Whatever arrays the loss closes over (a learned regulariser's weight, say) are leaves of this
    module, so a rule that differentiates the objective reaches them too.

    Source: A-MAML (Li et al. 2023), Section 3, where H is ∇²L.
    """

    loss: Callable[..., Float[Array, ""]]
    data: PyTree
    step: Int[Array, ""] | None = None

    @classmethod
    def of(
        cls, loss: Callable, params: PyTree, data: PyTree, *, stepwise: bool = False
    ) -> "Objective":
        """The objective of `loss` on `data`, at step 0 if it is `stepwise`.

        **Raises** `ValueError` when the loss is not one real number.
        """
        step = jnp.zeros((), int) if stepwise else None
        inputs = (params, data, step) if stepwise else (params, data)
        out = eqx.filter_eval_shape(loss, *inputs)
        if not isinstance(out, jax.ShapeDtypeStruct):
            raise ValueError(
                f"loss(params, data) must return one real number; it returned {out!r}."
            )
        if out.shape != () or not jnp.issubdtype(out.dtype, jnp.floating):
            raise ValueError(
                "loss(params, data) must return one real number; it returned an array of shape "
                f"{out.shape} and type {out.dtype}: take its mean or sum."
            )
        return strong(cls(eqx.filter_closure_convert(loss, *inputs), data, step))

    def at(self, step: Int[Array, ""] | int) -> "Objective":
        """The objective of step number `step`; the same one if it does not change."""
        return self if self.step is None else eqx.tree_at(lambda o: o.step, self, jnp.asarray(step))

    def __call__(self, params: PyTree) -> Float[Array, ""]:
        """The loss at `params`."""
        inputs = (self.data,) if self.step is None else (self.data, self.step)
        return self.loss(params, *inputs)

    def gradient(self, params: PyTree) -> PyTree:
        """∇L at `params`."""
        return jax.grad(self)(params)

    def curvature(self, params: PyTree, direction: PyTree) -> tuple[PyTree, "Objective"]:
        """∇²L·v, and the same for how ∇L depends on the objective: (∂∇L/∂objective)ᵀ·v.

        Forward over reverse: one gradient and its derivative along v, no Hessian.
        """
        floats, fixed = eqx.partition(self, eqx.is_inexact_array)

        def gradients(u):
            value = lambda u, floats: eqx.combine(floats, fixed)(u)
            return jax.grad(value, argnums=(0, 1))(u, floats)

        return jax.jvp(gradients, (params,), (direction,))[1]
