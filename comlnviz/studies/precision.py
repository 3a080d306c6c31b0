"""Double precision for the small studies, without touching JAX's global configuration."""

import functools
from collections.abc import Callable
from typing import Any

import jax


def in_float64(function: Callable) -> Callable:
    """Run `function` with 64-bit types, whatever the caller's settings; returns NumPy arrays."""

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        with jax.enable_x64(True), jax.numpy_rank_promotion("allow"):
            return jax.device_get(function(*args, **kwargs))

    return wrapped


def in_float32(function: Callable) -> Callable:
    """Run `function` with 32-bit types, whatever the caller's settings; returns NumPy arrays."""

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        with jax.enable_x64(False), jax.numpy_rank_promotion("allow"):
            return jax.device_get(function(*args, **kwargs))

    return wrapped
