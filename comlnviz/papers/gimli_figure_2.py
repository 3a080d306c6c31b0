"""GIMLI, Figure 2: the learned rates of each array while MAML++ meta-trains, SGD inside."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .experiment import Experiment, Preset
from .few_shot import Protocol, numbers, test
from .findings import Cells, Finding, is_so
from .gimli_table_2 import CLASSROOM, LARGE, OPTIMIZERS, PAPER, SMALL, Sizes, described, trained


def preset(inner: str, protocol: Protocol, sizes: Sizes, cost: str) -> Preset:
    """VGG with that inner optimizer, 20-way 1-shot."""
    column = "20-way 1-shot"
    name = f"vgg+{inner}, {column}"
    cells = {name: partial(_cell, inner, protocol, sizes)}
    table_1 = tuple(("gimli-table-1", f"{which}, {column}") for which in ("base", "best"))
    after = {name: (("gimli-table-2", name), *table_1)}
    return Preset((protocol.data,), cost, described(protocol, sizes), cells, after)


def _cell(inner: str, protocol: Protocol, sizes: Sizes, scratch: Path) -> dict[str, Any]:
    folder = scratch.parent.parent / "gimli-table-2" / scratch.name
    own, result = trained(f"vgg+{inner}", 20, 1, protocol, sizes, folder)
    history = result.run.history
    every = max(1, protocol.num_steps // 100)
    names = OPTIMIZERS[inner].names
    groups = list(result.run.meta.optimizer["learning_rate"])
    # Running statistics are arrays of the network that no step moves.
    seen = [i for i, g in enumerate(groups) if not g.endswith((".mean", ".variance"))]
    course = lambda name: [[float(f"{x:.6g}") for x in row[seen]] for row in history[name][::every]]
    score = test(result.algorithm, result.run.meta, own, 1)
    kept = {"groups": [groups[i] for i in seen], "every": every}
    return {**numbers(score), **kept, **{name: course(name) for name in names}}


def judge(inner: str, cells: Cells) -> tuple[Finding, ...]:
    """Whether most rates fall to a tenth of what they were, or less, and some do not."""
    cell = cells.get(f"vgg+{inner}, 20-way 1-shot", {})
    if "learning_rate" not in cell:
        return ()
    first, last = np.abs(cell["learning_rate"][0]), np.abs(cell["learning_rate"][-1])
    small = int(np.sum(last <= first / 10))
    claim = "Most of the learned rates fall to near zero, a select few do not."
    why = f"{small} of {len(last)} are a tenth of their start or less"
    return (is_so(claim, len(last) / 2 < small < len(last), why),)


EXPERIMENT = Experiment(
    "gimli-figure-2",
    "Learned rates of each array over meta-training, SGD inside",
    "Most of the learned rates fall to near zero, but for a select few.",
    {
        "classroom": lambda: preset("SGD", CLASSROOM, SMALL, "about 5 minutes on one core"),
        "paper": lambda: preset("SGD", PAPER, LARGE, "a day on one GPU"),
    },
    lambda cells: judge("SGD", cells),
)
