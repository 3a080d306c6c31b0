"""Meta-optimizers, Figure A.1: linear networks of any width and depth, Synthetic."""

import dataclasses
from functools import partial
from pathlib import Path
from typing import Any

from ..algorithms import MAML
from ..models import LinNet
from .experiment import Experiment, Preset
from .findings import Cells, Finding, is_so
from .metaopt_synthetic import GUESSES, LINNET, D, learn
from .metaopt_table_1 import SYNTHETIC

WIDTHS, DEPTHS = tuple(2**k for k in range(1, 9)), (1, 2, 3, 4)
ADAPTS = 90.0  # per cent; the figure's curves end above it


def name(width: int, depth: int) -> str:
    """Of a cell."""
    return f"w = {width}, {depth} hidden layer{'s' if depth > 1 else ''}"


def preset(num_steps: int, cost: str) -> Preset:
    """Every width with every depth."""
    cells = {
        name(width, depth): partial(_cell, width, depth, num_steps)
        for depth in DEPTHS
        for width in WIDTHS
    }
    protocol = {
        "meta-training": f"{num_steps} steps of SGD, one task each",
        "guess": SYNTHETIC,
        **dataclasses.asdict(GUESSES[SYNTHETIC]),
        "rates": f"those of {LINNET} for all",
    }
    return Preset((), cost, protocol, cells)


def _cell(width: int, depth: int, num_steps: int, scratch: Path) -> dict[str, Any]:
    guess = GUESSES[SYNTHETIC]
    fast, slow = guess.rates[LINNET]
    algorithm = MAML(LinNet(D, (width,) * depth), fast, guess.num_steps)
    return learn(algorithm, slow, guess, num_steps)


def judge(cells: Cells) -> tuple[Finding, ...]:
    """Whether every one of them learns to adapt, once all are there."""
    all_ = {(w, d): cells.get(name(w, d)) for d in DEPTHS for w in WIDTHS}
    if None in all_.values():
        return ()
    fails = [name(*place) for place, cell in all_.items() if not _adapts(cell)]
    said = f"{len(all_) - len(fails)} of {len(all_)} are above {ADAPTS:g}%"
    why = f"{said}; not {'; '.join(fails)}" if fails else said
    return (
        is_so("Whatever its width, a linear network with hidden layers adapts.", not fails, why),
    )


def _adapts(cell: Any) -> bool:
    return cell.get("mean", 0.0) > ADAPTS


EXPERIMENT = Experiment(
    "metaopt-figure-A1",
    "Accuracy after adaptation of linear networks of eight widths and four depths, Synthetic",
    "With one hidden layer or more a linear network learns to adapt, whatever its width.",
    {
        "classroom": lambda: preset(3000, "about 5 minutes on one core"),
        "paper": lambda: preset(30_000, "about an hour on 2 cores"),
    },
    judge,
)
