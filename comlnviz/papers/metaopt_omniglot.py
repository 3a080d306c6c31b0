"""Meta-optimizers, Table 1 (Omniglot): what the published pattern takes.

The paper says which characters are for what and that some are turned; what a program made of that,
how bright ink is, and how long it trained each model, is tried here one by one.
"""

import dataclasses
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..algorithms import MAML, AbstractAlgorithm, MetaOptimizerMAML
from ..data import Dataset, load
from ..inner import KFC, KLin
from ..models import LinNet
from .experiment import Experiment, Preset
from .few_shot import Protocol, numbers, test, train
from .findings import Cells, Finding
from .guesses import all_cells, appears_under
from .metaopt_synthetic import KFCS, KLIN, LINNET, LR, MODELS, course

# (fast rate, meta rate), Appendix A.1.1
RATES = {LR: (1.0, 0.0005), LINNET: (0.08, 0.0005), KLIN: (0.9, 0.003), KFCS: (0.01, 0.001)}
_CLEARLY = 10  # points

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


@dataclasses.dataclass(frozen=True)
class Guess:
    """A protocol that the text allows, or that a program may have had.

    **Fields:**

    - `by`, `rotations`: as `load` has them.
    - `dark`: ink is 0 on 1, as in the files.
    - `queries`: of each class in meta-training, if not as many as the protocol's.
    - `times`: as many iterations.
    """

    by: str = "characters"
    rotations: bool = True
    dark: bool = False
    queries: int | None = None
    times: int = 1

    def protocol(self, name: str, base: Protocol) -> Protocol:
        """That of one of `MODELS`."""
        num_steps = self.times * base.num_steps
        return dataclasses.replace(
            base, num_steps=num_steps, selection_steps=num_steps,
            validate_every=self.times * base.validate_every,
            queries=self.queries or base.queries, optimizer=f"adam {RATES[name][1]}",
            loaded=partial(self.load, base.data),
        )  # fmt: skip

    def load(self, data: str, split: str) -> Dataset:
        """A split of the images."""
        found = load(data, split=split, by=self.by, rotations=self.rotations)
        if self.dark:
            return dataclasses.replace(found, images=255 - np.asarray(found.images))
        return found


GUESSES = {
    "other alphabets": Guess("alphabets", rotations=False),
    "other alphabets, turned": Guess("alphabets"),
    "other characters": Guess(rotations=False),
    "other characters, turned": Guess(),
    "1 query": Guess(queries=1),
    "dark ink": Guess(dark=True),
    "4 times as long": Guess(times=4),
}


def algorithm(name: str) -> AbstractAlgorithm:
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


def measure(name: str, words: str, base: Protocol, scratch: Path) -> dict[str, Any]:
    """Meta-train one of `MODELS` under one of `GUESSES`, or take it from where it was trained.

    Accuracy on new tasks, and that on validation on the way.
    """
    protocol = GUESSES[words].protocol(name, base)
    folder = scratch.parent.parent / "metaopt-omniglot" / scratch.name
    trained = train((algorithm(name),), protocol, 1, folder / words / name.replace("/", ""))
    score = numbers(test(trained.algorithm, trained.run.meta, protocol, 1))
    return {**score, "course": course(trained.run.history["validation_score"])}


def preset(base: Protocol, cost: str) -> Preset:
    """Every model under every guess, but for those that only say what `base` has."""
    ours = {words: guess for words, guess in GUESSES.items() if guess.queries != base.queries}
    cells = all_cells(MODELS, ours, lambda name, words: partial(measure, name, words, base))
    guesses = {words: dataclasses.asdict(guess) for words, guess in ours.items()}
    protocol = {**base.described(), "rates": RATES, "guesses": guesses}
    return Preset((base.data,), cost, protocol, cells)


def judge(cells: Cells) -> tuple[Finding, ...]:
    """The published pattern: regression below half, each of the others clearly above it."""
    return appears_under(GUESSES, MODELS, cells, _published)


def _published(means: list[float | None]) -> bool:
    lr, *others = means
    return lr is not None and lr < 50 and all(m is not None and m > lr + _CLEARLY for m in others)


EXPERIMENT = Experiment(
    "metaopt-omniglot",
    "Table 1, Omniglot: the protocols that the text leaves open, tried one by one",
    "Logistic regression adapts to 46.5%, while with a linear network (71.3%), KLin (63.9%) or KFC "
    "(71.6%) it does far better.",
    {
        "classroom": lambda: preset(CLASSROOM, "about 20 minutes on 2 cores"),
        "paper": lambda: preset(PAPER, "a day on one GPU"),
    },
    judge,
)
