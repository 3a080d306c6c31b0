"""Meta-optimizers, Table A3: what an update rule costs, in seconds and in numbers."""

import time
from functools import partial
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np

from ..models.freeze import count
from ..tasks import Task
from ..training.evaluate import ci95
from .experiment import Experiment, Preset
from .findings import Cells, Finding, is_so
from .metaopt_networks import (
    CLASSROOM,
    CNN,
    OMNIGLOT,
    PAPER,
    SCNN,
    Setting,
    datasets,
    described,
    method,
)

ROWS = {
    "CNN w/ MAML": ("MAML", CNN), "CNN w/ KFC": ("KFC", CNN), "SCNN w/ MAML": ("MAML", SCNN),
    "SCNN w/ KFC": ("KFC", SCNN), "SCNN w/ CFC1": ("CFC1", SCNN), "SCNN w/ CFC10": ("CFC10", SCNN),
}  # fmt: skip
REPEATS = 9


def preset(settings: tuple[Setting, ...], cost: str) -> Preset:
    """Each method's meta-gradient, timed."""
    cells = {
        f"{row}, {setting.name}": partial(_cell, name, layers, setting)
        for setting in settings
        for row, (name, layers) in ROWS.items()
    }
    how = (
        f"seconds of the meta-gradient of one task, median of {REPEATS} after one to compile, its "
        "interval that of the mean; the paper's are of a whole batch on one TITAN Xp"
    )
    return Preset(datasets(settings), cost, {**described(settings), "timed": how}, cells)


def _cell(name: str, layers: int, setting: Setting, scratch: Path) -> dict[str, Any]:
    algorithm = method(name, layers, setting)
    meta = algorithm.init(jax.random.key(0))
    network = getattr(meta, "network", meta)
    tasks = setting.protocol.tasks("train", setting.shots, setting.protocol.queries)
    task = eqx.filter_jit(tasks.sample)(jax.random.key(1))
    seconds = timed(algorithm, meta, task)
    return {
        "mean": float(f"{np.median(seconds):.3g}"),
        "ci95": float(f"{ci95(np.asarray(seconds)):.2g}"),
        "model_parameters": count(network),
        "optimizer_parameters": count(meta) - count(network),
    }


def timed(algorithm: Any, meta: Any, task: Task) -> np.ndarray:
    """Seconds of its meta-gradient, several times."""
    call = eqx.filter_jit(lambda m, t: eqx.filter(algorithm.meta_grad(m, t), eqx.is_array))
    jax.block_until_ready(call(meta, task))
    seconds = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        jax.block_until_ready(call(meta, task))
        seconds.append(time.perf_counter() - began)
    return np.array(seconds)


def judge(cells: Cells) -> tuple[Finding, ...]:
    """How many times MAML's a rule's time is, beside the paper's ratio; on Omniglot."""
    taken = {row: cells.get(f"{row}, {OMNIGLOT.name}", {}).get("mean") for row in ROWS}
    found = []
    for rule, base, printed in (
        ("CNN w/ KFC", "CNN w/ MAML", 10.35 / 1.09),
        ("SCNN w/ KFC", "SCNN w/ MAML", 5.44 / 0.58),
        ("SCNN w/ CFC10", "SCNN w/ MAML", 4.36 / 0.58),
    ):
        ours, maml = taken[rule], taken[base]
        if ours is not None and maml is not None:
            why = f"{ours / maml:.1f} times here, {printed:.1f} times in the paper"
            found.append(is_so(f"{rule} takes longer than MAML.", ours > maml, why))
    return tuple(found)


EXPERIMENT = Experiment(
    "metaopt-table-A3",
    "Seconds of a meta-gradient, and numbers to learn",
    "A learned rule costs several times the time of MAML, and a low-rank one less than KFC.",
    {
        "classroom": lambda: preset(CLASSROOM, "about 3 minutes on 2 cores"),
        "paper": lambda: preset(PAPER, "minutes on one GPU"),
    },
    judge,
    form=".3f",
    lower_is_better=True,
)
