"""Meta-optimizers, Figure A.2: layers scaled before and after adaptation."""

from functools import partial
from pathlib import Path
from typing import Any

import equinox as eqx
import jax.numpy as jnp

from .experiment import Experiment, Preset
from .findings import Cells, Finding, above_all, paired
from .layerwise import Change
from .metaopt_figure_2 import LAYERS, NOBODY, TASKS, column, look
from .metaopt_networks import CIFAR_FS, CLASSROOM, OMNIGLOT, Setting, datasets
from .metaopt_networks import described as of_settings

FACTORS = tuple(2.0**k for k in range(6))
BEFORE, AFTER = PLACES = (
    f"× {FACTORS[-1]:g} before adaptation", f"× {FACTORS[-1]:g} after adaptation",
)  # fmt: skip


def preset(settings: tuple[Setting, ...], cost: str) -> Preset:
    """Each layer, at each place, by each factor; and the network as it is."""
    cells: dict[str, Any] = {}
    for setting in settings:
        cells[f"{NOBODY}, {column(BEFORE, setting)}"] = partial(_plain, setting)
        for place in PLACES:
            for layer in LAYERS:
                compute = partial(_cell, layer, place, setting)
                cells[f"{layer}, {column(place, setting)}"] = compute
    chosen = {
        "test_tasks": TASKS,
        "factors": FACTORS,
        "scaled": "weights and biases of the layer, not its normalization",
    }
    return Preset(datasets(settings), cost, {**of_settings(settings), **chosen}, cells)


def _plain(setting: Setting, scratch: Path) -> dict[str, Any]:
    return look(setting, Change.none(len(LAYERS)), scratch)


def _cell(layer: str, place: str, setting: Setting, scratch: Path) -> dict[str, Any]:
    where = lambda c: c.before if place == BEFORE else c.after
    none, this = Change.none(len(LAYERS)), jnp.array([name == layer for name in LAYERS])
    change = lambda factor: eqx.tree_at(where, none, jnp.where(this, factor, 1.0))
    found = [look(setting, change(factor), scratch) for factor in FACTORS]
    curve = [[cell["mean"], cell["ci95"]] for cell in found]
    return {**found[-1], "factors": FACTORS, "curve": curve}


def judge(cells: Cells) -> tuple[Finding, ...]:
    """Which layers mind, and when, by the largest factor; on Omniglot."""
    name = lambda layer, place: f"{layer}, {column(place, OMNIGLOT)}"
    plain = name(NOBODY, BEFORE)
    indifferent = [(c, place) for c in LAYERS[:3] for place in PLACES]
    indifferent += [(c, AFTER) for c in LAYERS[3:]]
    return (
        *(paired(f"{c} {place}: the accuracy stays.", cells, name(c, place), plain)
          for c, place in indifferent),
        *(above_all(f"{c} {BEFORE}: the accuracy falls.", cells, plain, [name(c, BEFORE)])
          for c in LAYERS[3:]),
    )  # fmt: skip


EXPERIMENT = Experiment(
    "metaopt-figure-A2",
    "Accuracy after adaptation with one layer scaled, before adaptation or after",
    "C1 to C3 may be scaled at any time, C4 and FC after adaptation; scaled before it, the latter "
    "cost up to 85 points.",
    {
        "classroom": lambda: preset(
            CLASSROOM, "about 4 minutes on one core after metaopt-figure-2"
        ),
        "paper": lambda: preset((OMNIGLOT, CIFAR_FS), "minutes on one GPU after metaopt-figure-2"),
    },
    judge,
)
