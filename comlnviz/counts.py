"""Numbers of things: whole, and not too few."""

import operator
from typing import Any


def check_counts(least: int = 1, why: str = "", /, **counts: Any) -> None:
    """**Raises** `ValueError` unless every one of `counts` is an integer of at least `least`."""
    for name, count in counts.items():
        try:
            whole = None if isinstance(count, bool) else operator.index(count)
        except TypeError:
            whole = None
        if whole is None:
            raise ValueError(f"{name} must be an integer; got {count!r}.")
        if whole < least:
            raise ValueError(f"{name} must be at least {least}{why}; got {whole}.")
