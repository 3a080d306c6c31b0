"""Checks of what a caller passes: one sentence each, with the value and what is allowed.

Shapes are checked always. Values are checked at once when they are concrete; when they are traced
(under `jit` or `vmap`) they fold into the solution's `ok`.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PyTree

from .integrator import all_finite


def is_concrete(x: Any) -> bool:
    """Whether the value is known now, rather than traced."""
    return not isinstance(x, jax.core.Tracer)


def matrix(name: str, x: Any, layout: str) -> Array:
    """`x` as a floating matrix; `layout` names its axes for the reader."""
    x = jnp.asarray(x)
    if x.ndim != 2:
        raise ValueError(f"{name} must be a matrix {layout}; its shape is {x.shape}.")
    return x if jnp.issubdtype(x.dtype, jnp.floating) else x.astype(float)


def same(what: str, left: tuple[str, int], right: tuple[str, int]) -> None:
    """Two sizes that have to agree."""
    if left[1] != right[1]:
        raise ValueError(
            f"{left[0]} and {right[0]} disagree in {what}: {left[1]} against {right[1]}."
        )


def one_dtype(params: PyTree) -> Any:
    """The type that all arrays of `params` have: a flow's steps are taken in it."""
    found = sorted({str(x.dtype) for x in jax.tree.leaves(params)})
    if len(found) > 1:
        raise ValueError(
            f"params must be of one type; got {' and '.join(found)}: cast them to one."
        )
    return jnp.dtype(found[0])


def time(T: Any, dtype: Any) -> Float[Array, ""]:
    """The length of the adaptation: one positive, finite number."""
    given, T = T, jnp.asarray(T, dtype)
    if T.shape != ():
        raise ValueError(
            f"T must be one number; its shape is {T.shape} (use jax.vmap for several)."
        )
    if is_concrete(given):
        # By NumPy: inside `jit` JAX's operations would trace even a known T.
        known = np.asarray(given).astype(T.dtype)
        if not (np.isfinite(known) and known > 0):
            raise ValueError(f"T must be positive and finite; got {known}.")
    return T


def times(ts: Any, T: Array) -> tuple[Float[Array, " n"] | None, Bool[Array, ""]]:
    """The times to keep, and whether they increase and lie between 0 and T.

    Times that turn out wrong at run time are moved to where they are allowed, since Diffrax would
    raise.
    """
    if ts is None:
        return None, jnp.array(True)
    ts = jax.lax.stop_gradient(jnp.asarray(ts, T.dtype))
    if ts.ndim != 1 or ts.shape[0] == 0:
        raise ValueError(f"ts must be a vector of times; its shape is {ts.shape}.")
    if is_concrete(ts) and is_concrete(T):
        known = np.asarray(ts)
        if not (np.all(known[1:] >= known[:-1]) and known[0] >= 0 and known[-1] <= np.asarray(T)):
            raise ValueError(
                f"ts must increase and lie between 0 and T = {T}; got {known[0]} to {known[-1]}."
            )
    end = jax.lax.stop_gradient(T)
    ok = jnp.all(ts[1:] >= ts[:-1]) & (ts[0] >= 0) & (ts[-1] <= end)
    allowed = jax.lax.cummax(jnp.clip(jnp.nan_to_num(ts), 0, jnp.maximum(end, 0)))
    return allowed, ok


def probability_rows(labels: Array) -> Bool[Array, ""]:
    """Whether each row is a probability vector (one-hot or smoothed)."""
    slack = 1e-3 if labels.dtype == jnp.float32 else 1e-6
    return jnp.all(labels >= 0) & jnp.all(jnp.abs(jnp.sum(labels, axis=-1) - 1) < slack)


def require(ok: Array, sentence: Callable[[], str]) -> None:
    """Raise `ValueError` when `ok` is known and false."""
    if is_concrete(ok) and not bool(ok):
        raise ValueError(sentence())


def finite(name: str, x: Any) -> None:
    """No NaN, no infinity, as far as that is known now."""
    if all(is_concrete(leaf) for leaf in jax.tree.leaves(x)):
        require(all_finite(x), lambda: f"{name} must be finite; it holds NaN or infinity.")


def check_solved(solution: Any, T: Array, name: str, max_steps: int) -> Any:
    """The solution, if it is ok; otherwise an error that says how far it got.

    Eagerly the sentence has the numbers; under `jit` it is raised at run time without them.
    """
    advice = "raise max_steps, loosen rtol and atol, shorten T, or shorten dt0"
    ok = solution.ok
    if is_concrete(ok):
        if not bool(jnp.all(ok)):
            steps, end = solution.stats["num_steps"], solution.stats["final_time"]
            why = (
                f"ran out of its {max_steps} steps"
                if bool(jnp.all(steps >= max_steps))
                else "stopped being finite or could not shorten its step any more"
            )
            raise RuntimeError(f"{name} {why} at t = {end:.4g} of T = {T:.4g}: {advice}.")
        return solution
    message = f"{name} did not reach T, or was given T, ts, data or labels out of range: {advice}."
    return eqx.error_if(solution, ~ok, message)
