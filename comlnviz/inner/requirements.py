"""GIMLI's requirements, checked before anything is computed: no gradient is zero in silence."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import optax
from jax.extend.core import Literal
from jaxtyping import Array, Float, PyTree


def check_requirements(
    train_loss: Callable[[PyTree, PyTree], Float[Array, ""]],
    val_loss: Callable[[PyTree], Float[Array, ""]],
    optimizer: Callable[[PyTree], optax.GradientTransformation],
    params: PyTree,
    phi_opt: PyTree,
    phi_loss: PyTree,
) -> None:
    """Whether a meta-gradient reaches everything that is to be learned.

    Looks at the traced derivatives, not at numbers: what is zero there is zero for all numbers. So
    it costs no computation, works under `jit`, and raises no false alarm. It does not see a
    derivative that is zero, or not a number, only at some points (Adam's √v at v = 0, say).

    **Arguments:** as in `gimli_loop`.

    **Raises** `ValueError` that says which requirement fails:

    - I: L_val has no derivative in the parameters (an accuracy, say).
    - II: the optimizer's step has none in the gradient (one that takes signs, say).
    - III (a): the step has none in one of `phi_opt`.
    - III (b): the gradient of the inner loss has none in one of `phi_loss`.

    Source: GIMLI (Grefenstette et al. 2019), Section 2.4.
    """
    floats = eqx.filter(params, eqx.is_inexact_array)
    if len(_idle(val_loss, params)) == len(jax.tree.leaves(floats)):
        raise ValueError(
            "Requirement I: the validation loss has no derivative in the adapted parameters, so "
            "every meta-gradient would be zero. Take a differentiable stand-in for it, such as "
            "the cross-entropy for the accuracy."
        )

    def step(G, phi_opt):
        rule = optimizer(phi_opt)
        updates, memory = rule.update(G, rule.init(floats), floats)
        return eqx.filter((updates, memory), eqx.is_inexact_array)

    if len(_idle(lambda G: step(G, phi_opt)[0], floats)) == len(jax.tree.leaves(floats)):
        raise ValueError(
            "Requirement II: the optimizer's step has no derivative in the gradient it is given, "
            "so nothing comes back through the loss. Take another optimizer, or FirstOrder()."
        )
    if idle := _idle(lambda phi: step(floats, phi), phi_opt):
        raise ValueError(
            f"Requirement III (a): the optimizer's step does not depend on {_listed(idle)}; the "
            "meta-gradient would be zero."
        )
    if idle := _idle(lambda phi: eqx.filter_grad(train_loss)(params, phi), phi_loss):
        raise ValueError(
            f"Requirement III (b): the gradient of the inner loss does not depend on "
            f"{_listed(idle)}; the meta-gradient would be zero. A term without the parameters in "
            "it changes the loss and not its gradient."
        )


def _idle(function: Callable[[Any], PyTree], x: PyTree) -> list[str]:
    """The arrays of `x`, by their paths, in which `function` has a derivative of zero.

    In the program of its VJP these cotangents are not computed from the output's cotangent.
    """
    floats, fixed = eqx.partition(x, eqx.is_inexact_array)
    if not jax.tree.leaves(floats):
        return []
    of_floats = lambda floats: eqx.filter(
        function(eqx.combine(floats, fixed)), eqx.is_inexact_array
    )
    pull = lambda floats, cotangent: jax.vjp(of_floats, floats)[1](cotangent)[0]
    struct = lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype)
    floats = jax.tree.map(struct, floats)
    out = jax.tree.map(struct, jax.eval_shape(of_floats, floats))
    program = jax.make_jaxpr(pull)(floats, out).jaxpr
    reached = set(program.invars[len(jax.tree.leaves(floats)) :])
    for equation in program.eqns:
        if not reached.isdisjoint(v for v in equation.invars if not isinstance(v, Literal)):
            reached.update(equation.outvars)
    paths = [path for path, _ in jax.tree_util.tree_leaves_with_path(floats)]
    return [
        jax.tree_util.keystr(path, simple=True, separator=".")
        for path, v in zip(paths, program.outvars, strict=True)
        if isinstance(v, Literal) or v not in reached
    ]


def _listed(paths: list[str]) -> str:
    return ", ".join(path or "the meta-parameter" for path in paths[:4]) + (
        f" and {len(paths) - 4} more" if len(paths) > 4 else ""
    )
