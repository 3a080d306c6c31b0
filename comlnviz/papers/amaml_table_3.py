"""A-MAML, Table 3: few-shot classification of images, all parameters of a network adapted."""

import dataclasses
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from .. import algorithms as al
from ..adjoints import StoredStates
from ..data import load
from ..models import AbstractEncoder, Classifier, Conv4
from . import few_shot
from .comln_table_2 import PAPER as MINIIMAGENET
from .comln_table_2 import small_conv4
from .experiment import Experiment, Preset
from .few_shot import Protocol, trained_and_tested
from .findings import Cells, Finding, below_none

OURS = ("AMAML, T = 0.5", "AMAML, T = 1")


def methods(encoder: AbstractEncoder, ways: int) -> Mapping[str, tuple[al.AbstractAlgorithm, ...]]:
    """Each method's candidates; those to choose from differ in step size."""
    model = Classifier(encoder, ways)
    # ReLUs have kinks, and float32 has its noise: 1e-6 takes 6,103 gradients instead of 109.
    adjoint = StoredStates(21, order=4)
    flow = lambda T: (al.AMAML(model, T, rtol=1e-4, atol=1e-4, adjoint=adjoint),)
    others = few_shot.methods(encoder, ways)
    return {
        **{name: others[name] for name in ("MAML", "FOMAML", "Reptile")},
        "IMAML, gradient descent": others["IMAML"],
        OURS[0]: flow(0.5),
        OURS[1]: flow(1.0),
    }


def _turned(split: str) -> Any:
    """Rotated characters are classes of their own, but for testing."""
    return load("omniglot-minimal", split=split, rotations=split != "test")


CLASSROOM = Protocol(
    data="omniglot-minimal",
    encoder=small_conv4(),
    queries=1,
    num_steps=300,
    batch_size=2,
    optimizer="adam 0.002",
    selection_steps=50,
    validate_every=50,
    validation_tasks=20,
    test_queries=5,
    test_tasks=200,
    ways=20,
    loaded=_turned,
)
OMNIGLOT = dataclasses.replace(
    CLASSROOM,
    data="omniglot",
    encoder=Conv4((28, 28, 1), 64),
    num_steps=60_000,
    batch_size=16,
    selection_steps=3000,
    validate_every=1000,
    validation_tasks=200,
    test_queries=1,
    test_tasks=600,
    loaded=None,
)
COLUMNS = {"Omniglot": "20-way 1-shot", "miniImageNet": "5-way 1-shot"}


def preset(protocols: Mapping[str, Protocol], cost: str) -> Preset:
    """All methods, in a column a dataset."""
    cells = {
        f"{name}, {column} {COLUMNS[column]}": partial(_cell, name, protocol)
        for column, protocol in protocols.items()
        for name in methods(protocol.encoder, protocol.ways)
    }
    described = next(iter(protocols.values())).described()
    more = {column: protocol.described() for column, protocol in protocols.items()}
    adjoint = (
        "tolerance 1e-4, 21 stored states, costate of fourth order; the paper stores a state every "
        "0.01"
    )
    return Preset(
        tuple(protocol.data for protocol in protocols.values()),
        cost,
        {**described, "adjoint": adjoint} | ({"columns": more} if len(more) > 1 else {}),
        cells,
    )


def _cell(name: str, protocol: Protocol, scratch: Path) -> dict[str, Any]:
    candidates = methods(protocol.encoder, protocol.ways)[name]
    return trained_and_tested(candidates, protocol, 1, scratch / f"{protocol.data}-{name}")[1]


def judge(cells: Cells) -> tuple[Finding, ...]:
    """The longer flow against the shorter, and against the others."""
    found = []
    for column, what in COLUMNS.items():
        name = lambda method, end=f"{column} {what}": f"{method}, {end}"
        if name(OURS[1]) not in cells:
            continue
        others = [name(m) for m in methods(CLASSROOM.encoder, 20) if m not in OURS]
        claim = f"{column}: no other method is more accurate than A-MAML with T = 1."
        found.append(below_none(claim, cells, name(OURS[1]), others))
        claim = f"{column}: the longer trajectory is at least as accurate as the shorter."
        found.append(below_none(claim, cells, name(OURS[1]), [name(OURS[0])]))
    return tuple(found)


EXPERIMENT = Experiment(
    "amaml-table-3",
    "Few-shot classification of images by adapting the whole network",
    "With T = 1 A-MAML is the most accurate on Omniglot and the second on miniImageNet.",
    {
        "classroom": lambda: preset({"Omniglot": CLASSROOM}, "about two hours on one core"),
        "paper": lambda: preset(
            {"Omniglot": OMNIGLOT, "miniImageNet": MINIIMAGENET}, "days on one GPU"
        ),
    },
    judge,
)
