"""Tables 4 and 5 of A-MAML as curves, measured and published. For AdjointTradeoff."""

import functools

import equinox as eqx
import numpy as np
from jaxtyping import Float

from ..papers import result

TABLES = {"closed form": "amaml-table-4", "CosMixture": "amaml-table-5"}
_ROWS = {"Adjoint": "modified Euler", "Adjoint of order 4": "order 4"}
Points = Float[np.ndarray, "2 n"]  # numbers of states, errors


class Table(eqx.Module):
    """Errors against numbers of states: those measured by method and T, the paper's by T."""

    ours: dict[tuple[str, float], Points]
    theirs: dict[float, Points]


@functools.cache
def table(problem: str) -> Table:
    """Table 4 or Table 5 as it is stored, and as published."""
    stored = result(TABLES[problem]).record
    ours, theirs = {}, {}
    for name, cell in stored["cells"].items():
        row, states, column = name.split(", ")
        if row in _ROWS and "mean" in cell:
            points = ours.setdefault((_ROWS[row], _last_number(column)), [])
            points.append((int(states.split()[0]), cell["mean"]))
    for row in stored["published"]["rows"]:
        name, states = row["method"].split(", ")
        for column, value in zip(stored["published"]["columns"], row["values"], strict=True):
            if _ROWS.get(name) == "modified Euler":
                points = theirs.setdefault(_last_number(column), [])
                points.append((int(states.split()[0]), value[0]))
    return Table(*({k: np.array(v, float).T for k, v in x.items()} for x in (ours, theirs)))


def _last_number(name: str) -> float:
    return float(name.split()[-1])
