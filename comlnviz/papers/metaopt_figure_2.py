"""Meta-optimizers, Figure 2: which layers of a MAML-trained network adapt."""

from functools import partial
from pathlib import Path
from typing import Any

import equinox as eqx
import jax.numpy as jnp

from .experiment import Experiment, Preset
from .findings import Cells, Finding, above_all, below_none, paired
from .layerwise import Change, layer_names, measured
from .metaopt_networks import CIFAR_FS, CLASSROOM, CNN, OMNIGLOT, Setting, datasets, trained
from .metaopt_networks import described as of_settings

LAYERS = layer_names(CNN + 1)
NOBODY = "no layer"
FREEZE, ADAPT, DISTURB = "freezing only this", "adapting only this", "C1–C3 frozen"
NOISE = (0.0, *(2.0**k for k in range(-4, 2)))
TASKS = 100


def column(what: str, setting: Setting) -> str:
    """Of the table."""
    return f"{what} ({setting.name})"


def preset(settings: tuple[Setting, ...], cost: str) -> Preset:
    """Each layer frozen, and adapted alone; the head disturbed."""
    cells: dict[str, Any] = {}
    for setting in settings:
        for what in (FREEZE, ADAPT):
            for layer in (NOBODY, *LAYERS):
                compute = partial(_cell, layer, what, setting)
                cells[f"{layer}, {column(what, setting)}"] = compute
        cells[f"FC disturbed, {column(DISTURB, setting)}"] = partial(_disturbed, setting)
    chosen = {
        "test_tasks": TASKS,
        "noise": "normal, its deviation the factor, added to the head's weights before adaptation",
        "a layer": "its weights, biases and normalization",
    }
    return Preset(datasets(settings), cost, {**of_settings(settings), **chosen}, cells)


def look(setting: Setting, change: Change, scratch: Path) -> dict[str, Any]:
    """The accuracy of the network that MAML has trained, changed."""
    result = trained("MAML", CNN, setting, scratch)
    tasks = setting.protocol.tasks("test", setting.shots, setting.protocol.test_queries)
    steps, rate = setting.inner_steps, setting.rate("MAML", CNN)
    return measured(result.run.meta, tasks, change, rate, steps, TASKS)


def _cell(layer: str, what: str, setting: Setting, scratch: Path) -> dict[str, Any]:
    this = jnp.array([name == layer for name in LAYERS], float)
    none = Change.none(len(LAYERS))
    adapts = 1 - this if what == FREEZE else this
    return look(setting, eqx.tree_at(lambda c: c.adapts, none, adapts), scratch)


def _disturbed(setting: Setting, scratch: Path) -> dict[str, Any]:
    adapts = jnp.array([name in ("C4", "FC") for name in LAYERS], float)
    none = eqx.tree_at(lambda c: c.adapts, Change.none(len(LAYERS)), adapts)
    change = lambda noise: eqx.tree_at(lambda c: c.noise, none, jnp.asarray(noise, float))
    found = [look(setting, change(noise), scratch) for noise in NOISE]
    curve = [[cell["mean"], cell["ci95"]] for cell in found]
    return {**found[-1], "noise": NOISE, "curve": curve}


def judge(cells: Cells) -> tuple[Finding, ...]:
    """What the text says of the figure, on Omniglot."""
    name = lambda layer, what: f"{layer}, {column(what, OMNIGLOT)}"
    plain, disturbed = name(NOBODY, FREEZE), name("FC disturbed", DISTURB)
    same = lambda claim, one: paired(claim, cells, one, plain)
    undisturbed = {**cells}
    if "curve" in cells.get(disturbed, {}):
        mean, ci95 = cells[disturbed]["curve"][0]
        undisturbed["no noise"] = {"mean": mean, "ci95": ci95}
    return (
        *(same(f"Freezing {c} alone does not lower the accuracy.", name(c, FREEZE))
          for c in LAYERS[:3]),
        above_all("Freezing C4 alone does.", cells, plain, [name("C4", FREEZE)]),
        below_none(
            "Adapting C4 alone is as good as adapting all.", cells, name("C4", ADAPT), [plain]
        ),
        above_all(
            "C1 to C3 frozen, noise on FC harms the adaptation of C4 and FC.",
            undisturbed, "no noise", [disturbed],
        ),
    )  # fmt: skip


EXPERIMENT = Experiment(
    "metaopt-figure-2",
    "Accuracy after adaptation with one layer frozen, one alone adapted, and with FC disturbed",
    "As long as C4 adapts nothing is lost by freezing others; yet FC must be what it was trained "
    "to be.",
    {
        "classroom": lambda: preset(CLASSROOM, "about 5 minutes on one core"),
        "paper": lambda: preset((OMNIGLOT, CIFAR_FS), "a day on one GPU"),
    },
    judge,
)
