"""Meta-optimizers, Figure 3 with Table A2: fewer layers, with MAML and with KFC."""

from functools import partial
from pathlib import Path
from typing import Any

from .experiment import Experiment, Preset
from .few_shot import numbers, test
from .findings import Cells, Finding, above_all, is_so
from .metaopt_networks import CIFAR_FS, CLASSROOM, OMNIGLOT, Setting, datasets, described, trained

LAYERS = (1, 2, 3, 4)
METHODS = {"CNN": "MAML", "CNN w/ KFC": "KFC"}


def name(layers: int, method: str, setting: Setting) -> str:
    """Of a cell."""
    return f"{layers} layer{'s' if layers > 1 else ''}, {setting.name}: {method}"


def preset(settings: tuple[Setting, ...], cost: str) -> Preset:
    """Each number of layers with both methods."""
    cells = {
        name(layers, words, setting): partial(_cell, method, layers, setting)
        for setting in settings
        for words, method in METHODS.items()
        for layers in LAYERS
    }
    return Preset(datasets(settings), cost, described(settings), cells)


def _cell(method: str, layers: int, setting: Setting, scratch: Path) -> dict[str, Any]:
    result = trained(method, layers, setting, scratch)
    return numbers(test(result.algorithm, result.run.meta, setting.protocol, setting.shots))


def judge(cells: Cells) -> tuple[Finding, ...]:
    """KFC against MAML with as many layers, and what each loses with them; on Omniglot."""
    at = lambda layers, words: name(layers, words, OMNIGLOT)
    found = [
        above_all(
            f"With {layers} of 4 layers KFC is above MAML.",
            cells,
            at(layers, "CNN w/ KFC"),
            [at(layers, "CNN")],
        )
        for layers in LAYERS
    ]
    found.append(
        above_all("MAML needs the depth: with 4 layers it is above MAML with 2.", cells,
                  at(4, "CNN"), [at(2, "CNN")])
    )  # fmt: skip
    ends = [cells.get(at(layers, words), {}) for words in METHODS for layers in (4, 2)]
    if all("mean" in end for end in ends):
        deep, shallow, deep_kfc, shallow_kfc = (end["mean"] for end in ends)
        lost, with_kfc = deep - shallow, deep_kfc - shallow_kfc
        why = f"from 4 layers to 2 MAML loses {lost:.1f} points, with KFC {with_kfc:.1f}"
        found.append(is_so("With fewer layers KFC loses less.", with_kfc < lost, why))
    return tuple(found)


EXPERIMENT = Experiment(
    "metaopt-table-A2",
    "Accuracy of networks of 1 to 4 layers, with MAML and with KFC (Figure 3)",
    "The fewer layers, the less accurate; but with KFC by less than with MAML, about as if it had "
    "another layer.",
    {
        "classroom": lambda: preset(CLASSROOM, "about 35 minutes on one core"),
        "paper": lambda: preset((OMNIGLOT, CIFAR_FS), "days on one GPU"),
    },
    judge,
)
