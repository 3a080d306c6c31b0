"""Matrix products in all digits of their type, whatever the device makes of them by default."""

import functools
from collections.abc import Callable
from typing import Any

import jax


def in_full_precision(function: Callable) -> Callable:
    """Trace `function` so that its products are not shortened.

    On many GPUs JAX rounds float32 factors to the 11 digits (of 24) of TF32. Networks bear it; a
    flow solved to 1e-8, and what is differentiated through it, does not.
    """

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        with jax.default_matmul_precision("highest"):
            return function(*args, **kwargs)

    return wrapped
