"""Gradient descent of any parameters under any loss: MAML's adaptation."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PyTree

from ..adjoints import AbstractDescentAdjoint, StoredStates
from ..counts import check_counts
from ..integrator import all_finite
from ..solution import Solution
from .fit import check_adjoint
from .gradient_flow import adaptable


def gradient_descent(
    loss: Callable[..., Float[Array, ""]],
    params: PyTree,
    data: PyTree,
    num_steps: int,
    *,
    optimizer: optax.GradientTransformation = optax.sgd(0.01),  # noqa: B008
    path: bool = False,
    stepwise: bool = False,
    adjoint: AbstractDescentAdjoint = StoredStates(),  # noqa: B008
) -> Solution:
    """Take `num_steps` steps of `optimizer` down loss(params, data).

    Differentiable by `adjoint` in `params`, `data`, and the arrays that the loss or the optimizer
    close over (a learning rate, say). Wrap repeated calls in `jax.jit`.

    **Arguments:**

    - `loss`: (params, data) ↦ one real number.
    - `params`: any pytree; its floating-point arrays are adapted, the rest stays.
    - `data`: passed to the loss.
    - `num_steps`: how many steps, at least 1; a Python integer.
    - `optimizer`: any optax transformation. With `optax.sgd(α)` step k is time t = αk of the flow.
    - `path`: keep the parameters before the first and after every step.
    - `stepwise`: call loss(params, data, step) with the number of the step, 0 first, for a loss
      that takes another batch of the data, say, at each.
    - `adjoint`: `StoredStates()`, `Unrolled()`, `Checkpointed()` (all exact, and equal),
      `FirstOrder()` (approximate) or `Implicit(...)` (of the proximal minimum).

    **Returns** a `Solution`; `ok` says whether the parameters are finite.

    **Raises** `ValueError` for arguments out of range.

    Source: MAML (Finn et al. 2017); COMLN (Deleu et al. 2022), equation 2; GIMLI (Grefenstette et
    al. 2019), equation 2.
    """
    check_adjoint(adjoint, AbstractDescentAdjoint, "gradient_descent")
    check_counts(num_steps=num_steps)
    num_steps = int(num_steps)  # NumPy's would be traced as an array
    if not (hasattr(optimizer, "init") and hasattr(optimizer, "update")):
        raise TypeError(
            f"optimizer must be an optax transformation such as optax.sgd(0.01); got {optimizer!r}."
        )
    objective, floats, rebuild = adaptable(loss, params, data, stepwise=stepwise)
    final, states = adjoint.descend(objective, floats, num_steps, optimizer, path)
    count = jnp.asarray(num_steps)
    stats: dict[str, Array | None] = {
        "num_steps": count,
        "num_accepted_steps": count,
        "num_rejected_steps": jnp.zeros_like(count),
        "num_gradient_evaluations": count,
        "final_time": None,
    }
    ok = jax.lax.stop_gradient(all_finite(final))
    return Solution(rebuild(final), rebuild(states) if path else None, stats, ok)
