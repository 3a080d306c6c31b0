"""Meta-optimizers, Table 1: linear models, with MAML, deeper, and with learned update rules."""

import dataclasses
from functools import partial

from . import metaopt_omniglot, metaopt_synthetic
from .experiment import Experiment, Preset
from .few_shot import Protocol
from .findings import Cells, Finding, above_all, is_so
from .guesses import cell_of
from .metaopt_synthetic import LR, MODELS

SYNTHETIC = "shared, slow"


def preset(base: Protocol, words: str, num_steps: int, seeds: int, cost: str) -> Preset:
    """Both columns; that of Omniglot under the guess `words`."""
    synthetic = metaopt_synthetic.GUESSES[SYNTHETIC]
    cells = {
        f"{name}, Synthetic": partial(metaopt_synthetic.measure, name, synthetic, num_steps, seeds)
        for name in MODELS
    }
    cells |= {
        f"{name}, Omniglot": partial(metaopt_omniglot.measure, name, words, base) for name in MODELS
    }
    after = {f"{n}, Omniglot": (("metaopt-omniglot", cell_of(n, words)),) for n in MODELS}
    omniglot = metaopt_omniglot.GUESSES[words]
    described = {
        "Synthetic": {
            "guess": SYNTHETIC, **dataclasses.asdict(synthetic), "num_iterations": num_steps,
            "seeds": seeds,
        },
        **omniglot.protocol(LR, base).described(), "optimizer": base.optimizer,
        "Omniglot": {"guess": words, **dataclasses.asdict(omniglot)},
        "rates on Omniglot": metaopt_omniglot.RATES,
        "guesses": "of those tried in metaopt-synthetic and metaopt-omniglot, in classroom size, "
        "the nearest to the paper's numbers",
    }  # fmt: skip
    return Preset((base.data,), cost, described, cells, after)


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
        "classroom": lambda: preset(
            metaopt_omniglot.CLASSROOM, "4 times as long", 30_000, 5, "about 15 minutes on 2 cores"
        ),
        "paper": lambda: preset(
            metaopt_omniglot.PAPER, "other characters, turned", 30_000, 5, "hours on one GPU"
        ),
    },
    judge,
)
