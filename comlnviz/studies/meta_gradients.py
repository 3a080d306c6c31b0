"""How wrong each method's meta-gradient is, on one landscape: the bars of BackwardInstability."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array

from ..adjoints import (
    Backsolve,
    Checkpointed,
    ForwardSensitivity,
    GramAdjoint,
    StoredStates,
    Unrolled,
)
from ..inner import gradient_flow, linear_flow
from ..integrator import get_solver
from .kept import kept
from .landscapes import MAX_SHOTS, Landscape, landscape
from .precision import in_float64

METHODS = ("Backsolve", "StoredStates", "ForwardSensitivity", "GramAdjoint")
_MAX_STEPS = 1024


@in_float64
def study(
    *,
    problem: str,
    T: float,
    solver: str,
    tolerance: float,
    step: float,
    dtype: str,
    num_states: int,
    condition: float = 10.0,
    shots: int = 5,
    seed: int = 0,
) -> dict[str, Array]:
    """The relative error of dL_validation(W(T))/dW0 by each of `METHODS`.

    NaN where a method failed; a method that does not apply (`GramAdjoint` without a linear head)
    is missing. The reference is float64, Dopri8 at 1e-10, differentiated through its steps.
    Without a linear head forward sensitivity is forward-mode differentiation of the solve.

    **Arguments:** as in `backward_instability.study`; `num_states` is for `StoredStates`.
    """
    land, _ = landscape(problem, condition=condition, shots=shots, seed=seed)
    if problem == "few-shot digits":
        land = eqx.tree_at(lambda l: l.data, land, _distinct(land.data, shots))
    tight = (jnp.asarray(T, float), jnp.asarray(1e-10), None)
    exact = _gradient(land, tight, "Reference", "dopri8", 0)
    cast = jax.tree.map(lambda x: jnp.asarray(x, dtype), land)
    length = jnp.asarray(step, dtype) if solver.lower() == "euler" else None
    traced = (jnp.asarray(T, dtype), jnp.asarray(tolerance, dtype), length)
    errors = {}
    for method in METHODS:
        if method == "GramAdjoint" and not land.linear_head:
            continue
        states = num_states if method == "StoredStates" else 0
        found = _gradient(cast, traced, method, solver, states)
        size = jnp.linalg.norm(exact.ravel())
        errors[method] = jnp.linalg.norm((found - exact).ravel()) / size
    return errors


def _distinct(data: tuple[Array, Array], shots: int) -> tuple[Array, ...]:
    """The examples without the repetitions that give every task one shape."""
    ways = data[1].shape[1]
    cut = lambda x: x.reshape(ways, MAX_SHOTS, -1)[:, :shots].reshape(ways * shots, -1)
    return tuple(cut(x) for x in data)


@kept
def _gradient(
    land: Landscape,
    traced: tuple[Array, Array, Array | None],
    method: str,
    solver: str,
    num_states: int,
) -> Array:
    T, tolerance, step = traced
    settings: dict[str, Any] = dict(
        solver=get_solver(solver),
        rtol=tolerance,
        atol=tolerance,
        dt0=step,
        max_steps=4096 if method == "Reference" else _MAX_STEPS,
        throw=False,
    )
    adjoints = {
        "Reference": Checkpointed(),
        "Backsolve": Backsolve(),
        "StoredStates": StoredStates(max(num_states, 2)),
        "ForwardSensitivity": ForwardSensitivity() if land.linear_head else Unrolled(),
        "GramAdjoint": GramAdjoint(),
    }
    adjoint = adjoints[method]

    def adapted(start):
        if isinstance(adjoint, ForwardSensitivity | GramAdjoint):
            features, labels = land.data
            solution = linear_flow(start, features, labels, T, adjoint=adjoint, **settings)
        else:
            solution = gradient_flow(land.loss, start, land.data, T, adjoint=adjoint, **settings)
        # A failed solve has no gradient, whatever its derivative.
        return jnp.where(solution.ok, solution.params, jnp.nan)

    outer = lambda start: land.loss(adapted(start), land.validation)
    mode = jax.jacfwd if isinstance(adjoint, Unrolled) else jax.grad
    return mode(outer)(land.embed(land.start))
