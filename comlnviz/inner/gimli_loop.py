"""GIMLI's Algorithm 1, line by line, with its accumulators in the open: to be read, not raced.

`gradient_descent` with `StoredStates()` does the same inside one compiled loop.
"""

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PyTree

from .requirements import check_requirements


class GimliRun(NamedTuple):
    """What lines 3 to 15 of the algorithm compute, with J steps.

    **Fields:**

    - `value`: L_val(θ_J).
    - `A_opt`, `A_loss`: its gradients in φ_opt and φ_loss, when the loop has ended.
    - `B`: its gradients in θ_0, …, θ_J. `B[0]` is what MAML wants.
    - `params`: θ_0, …, θ_J.
    - `gradients`: G_0, …, G_{J−1}.
    - `shares_opt`, `shares_loss`: what each step adds to `A_opt` and `A_loss`, step 0 first.
    """

    value: Float[Array, ""]
    A_opt: PyTree
    A_loss: PyTree
    B: list[PyTree]
    params: list[PyTree]
    gradients: list[PyTree]
    shares_opt: list[PyTree]
    shares_loss: list[PyTree]


def gimli_loop(
    train_loss: Callable[[PyTree, PyTree], Float[Array, ""]],
    val_loss: Callable[[PyTree], Float[Array, ""]],
    optimizer: Callable[[PyTree], optax.GradientTransformation],
    params: PyTree,
    phi_opt: PyTree,
    phi_loss: PyTree,
    num_steps: int,
) -> GimliRun:
    """Take `num_steps` inner steps and bring the gradient of `val_loss` back through them.

    In the paper's letters: θ are the parameters, B_j the gradient of L_val in θ_j, O_j the
    derivative of the optimizer's step in the gradient it was given. No Jacobian is formed: every
    product with B is a VJP. Where the optimizer keeps a state, θ and B carry that along, as the
    paper's footnote 2 asks.

    **Arguments:**

    - `train_loss`: (θ, φ_loss) ↦ one real number.
    - `val_loss`: θ ↦ one real number.
    - `optimizer`: φ_opt ↦ an optax transformation, such as `optax.sgd`.
    - `params`, `phi_opt`, `phi_loss`: θ_0 and the meta-parameters, pytrees of arrays.
    - `num_steps`: J.

    **Returns** a `GimliRun`.

    **Raises** `ValueError` where one of the paper's requirements fails, see `check_requirements`.

    Source: GIMLI (Grefenstette et al. 2019), Algorithm 1, lines 3 to 15.
    """
    check_requirements(train_loss, val_loss, optimizer, params, phi_opt, phi_loss)
    inner_gradient = jax.grad(train_loss)

    def opt(theta, memory, phi_opt, G):
        updates, memory = optimizer(phi_opt).update(G, memory, theta)
        return eqx.apply_updates(theta, updates), memory

    start = lambda theta, phi_opt: optimizer(phi_opt).init(theta)
    theta, memory = params, start(params, phi_opt)  # line 3
    thetas, memories, Gs = [theta], [memory], []
    for _ in range(num_steps):  # lines 4 to 7
        G = inner_gradient(theta, phi_loss)
        theta, memory = opt(theta, memory, phi_opt, G)
        thetas, memories, Gs = [*thetas, theta], [*memories, memory], [*Gs, G]

    A_opt, A_loss = _zeros(phi_opt), _zeros(phi_loss)  # line 8
    value, B = jax.value_and_grad(val_loss)(theta)  # line 9
    B_memory = _zeros(memory)
    Bs, shares_opt, shares_loss = [B], [], []
    for j in reversed(range(num_steps)):  # line 10
        # The VJP in each argument holds the others: that is the stop-gradient of lines 12 to 14.
        _, back_opt = eqx.filter_vjp(opt, thetas[j], memories[j], phi_opt, Gs[j])
        _, back_gradient = eqx.filter_vjp(inner_gradient, thetas[j], phi_loss)
        B_theta, B_memory, B_phi, B_O = back_opt((B, B_memory))  # line 11, as B·O
        B_O_hessian, B_O_mixed = back_gradient(B_O)
        A_opt = _sum(A_opt, B_phi)  # line 12
        A_loss = _sum(A_loss, B_O_mixed)  # line 13
        B = _sum(B_theta, B_O_hessian)  # line 14
        Bs, shares_opt, shares_loss = [B, *Bs], [B_phi, *shares_opt], [B_O_mixed, *shares_loss]
    # The state that line 3 started from may depend on θ_0 and φ_opt too.
    _, back_start = eqx.filter_vjp(start, params, phi_opt)
    by_theta, by_phi = back_start(B_memory)
    A_opt, Bs[0] = _sum(A_opt, by_phi), _sum(B, by_theta)
    return GimliRun(value, A_opt, A_loss, Bs, thetas, Gs, shares_opt, shares_loss)


def _zeros(tree: PyTree) -> PyTree:
    """Zeros like the floating-point arrays of the tree."""
    return jax.tree.map(jnp.zeros_like, eqx.filter(tree, eqx.is_inexact_array))


def _sum(left: PyTree, right: PyTree) -> PyTree:
    return jax.tree.map(jnp.add, left, right)
