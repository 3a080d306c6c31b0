"""Settings that must be one of a few."""

from collections.abc import Iterable
from typing import Any


def one_of(name: str, value: Any, listed: Iterable[Any]) -> None:
    """**Raises** `ValueError` when the setting's value is not listed."""
    listed = tuple(listed)
    if value not in listed:
        raise ValueError(f"{name} must be one of {', '.join(map(str, listed))}; got {value!r}.")
