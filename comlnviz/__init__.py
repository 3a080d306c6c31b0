"""See and touch continuous-time meta-learning: a fast JAX core and live notebooks."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import adjoints
    from .inner import gradient_descent, gradient_flow, linear_flow
    from .solution import Solution

__version__ = "0.1.0"

__all__ = ["Solution", "adjoints", "gradient_descent", "gradient_flow", "linear_flow"]

_HOMES = {
    "Solution": ".solution",
    "gradient_descent": ".inner",
    "gradient_flow": ".inner",
    "linear_flow": ".inner",
}


# The command line answers before JAX is loaded, which takes seconds.
def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name], __name__), name)
    if name in __all__:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
