"""Meta-optimizers, Table 1: linear models, with MAML, deeper, and with learned update rules."""

import dataclasses
from functools import partial

from . import metaopt_omniglot, metaopt_synthetic
from .experiment import Experiment, Preset
from .few_shot import Protocol
from .findings import Cells, Finding, above_all, is_so
from .metaopt_synthetic import LR, MODELS

# Of those that were tried, the ones that come nearest: see metaopt-synthetic, metaopt-omniglot.
SYNTHETIC, OMNIGLOT = "shared, slow", "other characters, turned"

CLASSROOM = dataclasses.replace(
    metaopt_omniglot.CLASSROOM, num_steps=10_000, selection_steps=10_000, validate_every=250
)


def preset(protocol: Protocol, num_steps: int, seeds: int, cost: str) -> Preset:
    """Both columns."""
    synthetic = metaopt_synthetic.GUESSES[SYNTHETIC]
    omniglot = metaopt_omniglot.GUESSES[OMNIGLOT]
    cells = {
        f"{name}, Synthetic": partial(metaopt_synthetic.measure, name, synthetic, num_steps, seeds)
        for name in MODELS
    }
    cells |= {
        f"{name}, Omniglot": partial(metaopt_omniglot.measure, name, omniglot, protocol)
        for name in MODELS
    }
    described = {
        "Synthetic": {
            "guess": SYNTHETIC, **dataclasses.asdict(synthetic), "num_iterations": num_steps,
            "seeds": seeds,
        },
        **protocol.described(),
        "Omniglot": {"guess": OMNIGLOT, **dataclasses.asdict(omniglot)},
        "rates on Omniglot": metaopt_omniglot.RATES,
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
        "classroom": lambda: preset(CLASSROOM, 30_000, 5, "about 25 minutes on 2 cores"),
        "paper": lambda: preset(metaopt_omniglot.PAPER, 30_000, 5, "hours on one GPU"),
    },
    judge,
)
