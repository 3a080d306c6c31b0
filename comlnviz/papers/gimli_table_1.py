"""GIMLI, Table 1: MAML++'s base against the best network and inner optimizer."""

from functools import partial
from pathlib import Path
from typing import Any

from .experiment import Experiment, Preset
from .few_shot import Protocol, numbers, test
from .findings import Cells, Finding, below_none
from .gimli_table_2 import (
    ALL,
    CLASSROOM,
    COLUMN,
    FEW,
    GRID,
    LARGE,
    PAPER,
    SMALL,
    Columns,
    Sizes,
    described,
    trained,
)

BASE = "vgg+SGD"


def preset(protocol: Protocol, sizes: Sizes, columns: Columns, cost: str) -> Preset:
    """The base and, of Table 2's grid, what is best on validation."""
    cells = {
        f"{which}, {COLUMN.format(ways, shots)}": partial(
            _cell, names, ways, shots, protocol, sizes
        )
        for ways, shots in columns
        for which, names in (("base", (BASE,)), ("best", GRID))
    }
    after = {}
    for ways, shots in columns:
        column = COLUMN.format(ways, shots)
        after[f"base, {column}"] = (("gimli-table-2", f"{BASE}, {column}"),)
        grid = tuple(("gimli-table-2", f"{name}, {column}") for name in GRID)
        after[f"best, {column}"] = (*grid, ("gimli-table-1", f"base, {column}"))
    return Preset((protocol.data,), cost, described(protocol, sizes), cells, after)


def _cell(
    names: tuple[str, ...], ways: int, shots: int, protocol: Protocol, sizes: Sizes, scratch: Path
) -> dict[str, Any]:
    folder = scratch.parent.parent / "gimli-table-2" / scratch.name
    all_ = {name: trained(name, ways, shots, protocol, sizes, folder) for name in names}
    validated = lambda name: all_[name][1].run.history["validation_score"].max()
    chosen = max(names, key=validated)
    own, result = all_[chosen]
    score = test(result.algorithm, result.run.meta, own, shots)
    return {**numbers(score), "chosen": chosen}


def judge(cells: Cells) -> tuple[Finding, ...]:
    """Whether the search finds nothing worse than the base."""
    return tuple(
        below_none(
            f"The best of the grid is not below the base, {column}.",
            cells,
            f"best, {column}",
            [f"base, {column}"],
        )
        for column in dict.fromkeys(name.rsplit(", ", 1)[-1] for name in cells)
    )


EXPERIMENT = Experiment(
    "gimli-table-1",
    "MAML++: its base against the best of Table 2's grid",
    "A search over networks and inner optimizers pushes MAML++'s accuracy up.",
    {
        "classroom": lambda: preset(
            CLASSROOM, SMALL, FEW, "minutes on 2 cores after gimli-table-2, else hours"
        ),
        "paper": lambda: preset(PAPER, LARGE, ALL, "minutes on one GPU after gimli-table-2"),
    },
    judge,
)
