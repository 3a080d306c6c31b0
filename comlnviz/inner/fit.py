"""Whether an adjoint fits an inner loop."""

from typing import Any

from .. import adjoints


def check_adjoint(adjoint: Any, kind: type, call: str) -> None:
    """Raise `TypeError` naming the adjoints that `call` takes when this one is not among them."""
    if isinstance(adjoint, kind):
        return
    fitting = [
        f"{name}()"
        for name in adjoints.__all__
        if not name.startswith("Abstract") and issubclass(getattr(adjoints, name), kind)
    ]
    given = adjoint.__name__ if isinstance(adjoint, type) else type(adjoint).__name__
    hint = " (the class itself; add parentheses)" if isinstance(adjoint, type) else ""
    raise TypeError(f"{call} takes adjoint={' or '.join(fitting)}; got {given}{hint}.")
