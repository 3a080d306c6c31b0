"""How flows are solved where it is not to be as each method has it."""

import dataclasses
import math
from typing import Any

OWN = "Dopri5"  # the solver that every method has of its own
SOLVERS = (OWN, "Tsit5", "Dopri8", "Bosh3", "Heun")  # explicit, with an estimate of their error


@dataclasses.dataclass(frozen=True)
class Solving:
    """A solver and a tolerance for all methods that follow a flow.

    **Fields:**

    - `solver`: one of `SOLVERS`; `None` for the methods' own, which is the first of them.
    - `tolerance`: relative and absolute, > 0; `None` for the methods' own, 10⁻⁶ for COMLN's and
      10⁻⁴ for A-MAML's.

    **Raises** `ValueError` for a solver that there is not, and for a tolerance out of range.
    """

    solver: str | None = None
    tolerance: float | None = None

    def __post_init__(self):
        if self.solver is not None and self.solver not in SOLVERS:
            raise ValueError(
                f"There is no solver {self.solver!r} here: choose from {', '.join(SOLVERS)}."
            )
        if self.tolerance is not None and not 0 < self.tolerance < math.inf:
            raise ValueError(f"tolerance must be positive; got {self.tolerance:g}.")
        if self.solver == OWN:
            object.__setattr__(self, "solver", None)

    def of(self, algorithm: Any) -> Any:
        """The algorithm, solved so."""
        changes: dict[str, Any] = {}
        if self.solver is not None:
            changes["solver"] = self.solver
        if self.tolerance is not None:
            changes |= {"rtol": self.tolerance, "atol": self.tolerance}
        return dataclasses.replace(algorithm, **changes)

    def __str__(self) -> str:
        solver = self.solver or OWN
        return solver if self.tolerance is None else f"{solver}, tolerance {self.tolerance:.0e}"
