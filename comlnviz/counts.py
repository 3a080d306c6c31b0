"""Numbers of things: whole, and not too few."""

from numbers import Integral
from typing import Any


def check_counts(least: int = 1, why: str = "", /, **counts: Any) -> None:
    """**Raises** `ValueError` unless every one of `counts` is an integer of at least `least`."""
    for name, count in counts.items():
        if not isinstance(count, Integral) or isinstance(count, bool):
            raise ValueError(f"{name} must be an integer; got {count!r}.")
        if count < least:
            raise ValueError(f"{name} must be at least {least}{why}; got {count}.")
