"""Meta-optimizers, Table A1 with Figure A.3: pruning, and low-rank update rules."""

from functools import partial
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..models import AbstractNetwork, Classifier, CrossEntropy
from ..models.freeze import count, split
from ..training import Score
from .experiment import Experiment, Preset
from .few_shot import numbers
from .findings import Cells, Finding, above_all
from .metaopt_networks import (
    CLASSROOM,
    CNN,
    OMNIGLOT,
    PAPER,
    SCNN,
    Setting,
    datasets,
    described,
    trained,
)
from .metaopt_table_2 import score

METHODS = ("MAML", "PRUNE", "CFC1", "CFC10", "KFC")
THRESHOLDS = tuple(round(0.05 * k, 2) for k in range(11))
TASKS = 100


def preset(settings: tuple[Setting, ...], cost: str) -> Preset:
    """The small network with each rule, and the large one pruned to its size."""
    compute = lambda name: pruned if name == "PRUNE" else partial(score, name)
    cells = {
        f"w/ {name}, {setting.name}": partial(compute(name), setting)
        for setting in settings
        for name in METHODS
    }
    chosen = {
        "PRUNE": f"{CNN} layers by MAML; after adaptation the smallest numbers of all are set to "
        f"zero, until as many are left as {SCNN} layers have; {TASKS} tasks",
        "thresholds": THRESHOLDS,
    }
    return Preset(datasets(settings), cost, {**described(settings), **chosen}, cells)


def pruned(setting: Setting, scratch: Path) -> dict[str, Any]:
    """The large network, adapted and pruned to the small one's size, and by each threshold."""
    result = trained("MAML", CNN, setting, scratch)
    tasks = setting.protocol.tasks("test", setting.shots, setting.protocol.test_queries)
    small = Classifier(setting.encoder(SCNN), setting.protocol.ways)
    kept = count(small.init(jax.random.key(0)))

    @eqx.filter_jit
    def each(keys):
        return jax.lax.map(one, keys)

    def one(key):
        task = tasks.sample(key)
        network = result.algorithm.adapt(result.run.meta, task.support).params
        exact = _at_least(network, kept)
        cuts = jnp.append(jnp.asarray(THRESHOLDS), exact)
        ask = lambda cut: CrossEntropy().score(prune(network, cut)(task.query[0]), task.query[1])
        return jax.lax.map(ask, cuts), exact

    found, cuts = each(jax.random.split(jax.random.key(0), TASKS))
    *by_threshold, exactly = (numbers(Score.of(at)) for at in np.asarray(found, float).T)
    curve = [list(at.values()) for at in by_threshold]
    threshold = float(f"{float(np.mean(cuts)):.3g}")
    figure = {"threshold": threshold, "thresholds": THRESHOLDS, "curve": curve}
    return {**exactly, "kept": kept, **figure}


def prune(network: AbstractNetwork, threshold: Float[Array, ""] | float) -> AbstractNetwork:
    """The network with zeros for its numbers below the threshold in size."""
    learned, rest = split(network)
    cut = lambda x: jnp.where(jnp.abs(x) < threshold, 0, x)
    return eqx.combine(jax.tree.map(cut, learned), rest)


def _at_least(network: AbstractNetwork, kept: int) -> Float[Array, ""]:
    """The threshold that leaves so many numbers, or all where there are no more."""
    leaves = jax.tree.leaves(split(network)[0])
    sizes = jnp.sort(jnp.abs(jnp.concatenate([x.ravel() for x in leaves])))
    return sizes[max(len(sizes) - kept, 0)]


def judge(cells: Cells) -> tuple[Finding, ...]:
    """KFC against the others, the ranks, and pruning; on Omniglot."""
    name = lambda method: f"w/ {method}, {OMNIGLOT.name}"
    above = lambda claim, one, *others: above_all(claim, cells, name(one), map(name, others))
    return (
        above("KFC is above all others.", "KFC", *METHODS[:-1]),
        above("CFC of rank 10 is above that of rank 1.", "CFC10", "CFC1"),
        above("CFC of rank 1 is above MAML.", "CFC1", "MAML"),
        above("A large network, pruned, is below KFC with a small one.", "KFC", "PRUNE"),
    )


EXPERIMENT = Experiment(
    "metaopt-table-A1",
    "Accuracy of a small network by CFC and KFC, and of a large one pruned (Figure A.3)",
    "Low-rank rules help less than KFC, and pruning a large network does not replace them.",
    {
        "classroom": lambda: preset(
            CLASSROOM, "about 20 minutes on one core after metaopt-table-2"
        ),
        "paper": lambda: preset(PAPER, "days on one GPU"),
    },
    judge,
)
