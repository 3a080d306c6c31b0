"""Meta-optimizers, Table 2: update rules that adapt a small network."""

from functools import partial
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np
import optax

from ..inner import gradient_descent
from ..models import Classifier, CrossEntropy
from ..training import Score
from .experiment import Experiment, Preset
from .few_shot import numbers, test
from .findings import Cells, Finding, above_all, below_none
from .metaopt_networks import (
    CLASSROOM,
    OMNIGLOT,
    PAPER,
    SCNN,
    Setting,
    datasets,
    described,
    trained,
)

BOUND, METHODS = "Upper bound", ("MAML", "MSGD", "MC", "KFC")
BOUND_TASKS, BOUND_STEPS, BOUND_RATE = 30, 200, 0.003


def preset(settings: tuple[Setting, ...], cost: str) -> Preset:
    """Each method with the network of two layers, and what that network can learn at all."""
    cells: dict[str, Any] = {}
    for setting in settings:
        cells[f"{BOUND}, {setting.name}"] = partial(upper_bound, setting)
        for name in METHODS:
            cells[f"w/ {name}, {setting.name}"] = partial(score, name, setting)
    bound = (
        f"{BOUND_TASKS} tasks; on each a fresh network learns {BOUND_STEPS} steps by Adam "
        f"({BOUND_RATE}) from 15 examples of each class, not from the queries"
    )
    return Preset(datasets(settings), cost, {**described(settings), "upper bound": bound}, cells)


def score(name: str, setting: Setting, scratch: Path) -> dict[str, Any]:
    """The accuracy of a method with the small network."""
    result = trained(name, SCNN, setting, scratch)
    return numbers(test(result.algorithm, result.run.meta, setting.protocol, setting.shots))


def upper_bound(setting: Setting, scratch: Path) -> dict[str, float]:
    """The small network trained on single tasks; "to convergence", the text says, not on what."""
    model = Classifier(setting.encoder(SCNN), setting.protocol.ways)
    tasks = setting.protocol.tasks("test", 15, setting.protocol.test_queries)

    @eqx.filter_jit
    def one(key):
        task, network = tasks.sample(key), model.init(jax.random.fold_in(key, 1))
        run = gradient_descent(
            CrossEntropy(), network, task.support, BOUND_STEPS, optimizer=optax.adam(BOUND_RATE)
        )
        return CrossEntropy().score(run.params(task.query[0]), task.query[1])

    keys = jax.random.split(jax.random.key(0), BOUND_TASKS)
    found = np.array([float(one(key)) for key in keys])
    return numbers(Score.of(found))


def judge(cells: Cells) -> tuple[Finding, ...]:
    """The order of the methods, on Omniglot."""
    name = lambda method: f"w/ {method}, {OMNIGLOT.name}"
    ours, others = name("KFC"), [name(method) for method in METHODS[:-1]]
    return (
        *(above_all(f"{method} is above MAML.", cells, name(method), [name("MAML")])
          for method in METHODS[1:]),
        below_none("No method is above KFC.", cells, ours, others),
        above_all("The upper bound is above all.", cells, f"{BOUND}, {OMNIGLOT.name}",
                  [ours, *others]),
    )  # fmt: skip


EXPERIMENT = Experiment(
    "metaopt-table-2",
    "Accuracy of a network of two layers, adapted by four methods",
    "Every learned update rule adapts a small network better than MAML, KFC best or nearly so.",
    {
        "classroom": lambda: preset(CLASSROOM, "about 15 minutes on one core"),
        "paper": lambda: preset(PAPER, "days on one GPU"),
    },
    judge,
)
