"""Meta-optimizers, Table 1: linear models, with MAML, deeper, and with learned update rules."""

import dataclasses
from functools import partial
from pathlib import Path
from typing import Any

from ..algorithms import MAML, AbstractAlgorithm, MetaOptimizerMAML
from ..inner import KFC, KLin
from ..models import LinNet
from .experiment import Experiment, Preset
from .few_shot import Protocol, numbers, test, train
from .findings import Cells, Finding, above_all, is_so
from .metaopt_synthetic import GUESSES, KFCS, KLIN, LINNET, LR, MODELS, course, measure

GUESS = (
    "shared, slow"  # of those that were tried, the one that comes nearest: see metaopt-synthetic
)
# (fast rate, meta rate) on Omniglot, Appendix A.1.1
RATES = {LR: (1.0, 0.0005), LINNET: (0.08, 0.0005), KLIN: (0.9, 0.003), KFCS: (0.01, 0.001)}

CLASSROOM = Protocol(
    data="omniglot-minimal",
    encoder=LinNet(784, (), 5),
    queries=5,
    num_steps=1000,
    batch_size=4,
    optimizer="adam, the printed rate of each",
    selection_steps=1000,
    validate_every=100,
    validation_tasks=100,
)
PAPER = dataclasses.replace(
    CLASSROOM, data="omniglot", num_steps=60_000, batch_size=32, queries=1,
    selection_steps=60_000, validate_every=1000, validation_tasks=600,
)  # fmt: skip


def omniglot(name: str) -> AbstractAlgorithm:
    """The method with its model, two steps within a task."""
    deep = LinNet(784, (256, 128, 64, 64), 5)
    shallow = LinNet(784, (), 5)
    fast = RATES[name][0]
    return {
        LR: MAML(shallow, fast, 2),
        LINNET: MAML(deep, fast, 2),
        KLIN: MetaOptimizerMAML(shallow, KLin(), fast, 2),
        KFCS: MetaOptimizerMAML(shallow, KFC(4, apart=False), fast, 2),
    }[name]


def _omniglot(name: str, protocol: Protocol, scratch: Path) -> dict[str, Any]:
    protocol = dataclasses.replace(protocol, optimizer=f"adam {RATES[name][1]}")
    trained = train((omniglot(name),), protocol, 1, scratch / name)
    score = numbers(test(trained.algorithm, trained.run.meta, protocol, 1))
    return {**score, "course": course(trained.run.history["validation_score"])}


def preset(protocol: Protocol, num_steps: int, seeds: int, cost: str) -> Preset:
    """Both columns."""
    guess = GUESSES[GUESS]
    cells = {f"{n}, Synthetic": partial(measure, n, guess, num_steps, seeds) for n in MODELS}
    cells |= {f"{n}, Omniglot": partial(_omniglot, n, protocol) for n in MODELS}
    described = {
        "Synthetic": {
            "guess": GUESS, **dataclasses.asdict(GUESSES[GUESS]), "num_iterations": num_steps,
            "seeds": seeds,
        },
        **protocol.described(),
        "rates on Omniglot": RATES,
    }  # fmt: skip
    return Preset((protocol.data,), cost, described, cells)


def judge(cells: Cells) -> tuple[Finding, ...]:
    """What the table says of each column."""
    found = []
    for column in ("Synthetic", "Omniglot"):
        name = lambda model, column=column: f"{model}, {column}"
        others = [model for model in MODELS if model != LR]
        found += [
            above_all(
                f"{column}: {model} adapts better than LR w/ MAML.", cells, name(model), [name(LR)]
            )
            for model in others
        ]
    if "mean" in cells.get(f"{LR}, Synthetic", {}):
        mean = cells[f"{LR}, Synthetic"]["mean"]
        claim = "Synthetic: LR w/ MAML does no better than chance."
        found.append(is_so(claim, mean < 60, f"its accuracy is {mean:.1f}%"))
    return tuple(found)


EXPERIMENT = Experiment(
    "metaopt-table-1",
    "Linear models: accuracy after adaptation, with MAML, deeper, and with meta-optimizers",
    "Logistic regression cannot be meta-learned; overparameterized, or with KLin or KFC, it can.",
    {
        "classroom": lambda: preset(CLASSROOM, 30_000, 5, "about 15 minutes on 2 cores"),
        "paper": lambda: preset(PAPER, 30_000, 5, "hours on one GPU"),
    },
    judge,
)
