"""COMLN, Table 2: few-shot classification, COMLN among the methods it is compared with."""

from functools import partial
from pathlib import Path
from typing import Any

from ..models import AbstractEncoder, Conv4
from .experiment import Experiment, Preset
from .few_shot import GRADIENT_BASED, Protocol, counted, methods, trained_and_tested
from .findings import Cells, Finding, above_all

SHOTS = (1, 5)


def small_conv4(channels: int = 32) -> AbstractEncoder:
    """The classroom's network, for 28×28 images."""
    return Conv4((28, 28, 1), channels, patches=True)


CLASSROOM = Protocol(
    data="omniglot-minimal",
    encoder=small_conv4(),
    queries=5,
    num_steps=600,
    batch_size=4,
    optimizer="adam 0.002",
    selection_steps=100,
    validate_every=50,
    validation_tasks=100,
)
PAPER = Protocol(
    data="miniimagenet",
    encoder=Conv4((84, 84, 3), 64),
    queries=6,
    num_steps=60_000,
    batch_size=8,
    optimizer="sgd 0.1",
    selection_steps=3000,
    validate_every=1000,
    validation_tasks=500,
)


def preset(protocol: Protocol, cost: str) -> Preset:
    """All methods in both columns."""
    cells = {
        f"{name}, {shots}-shot": partial(_cell, name, shots, protocol)
        for shots in SHOTS
        for name in methods(protocol.encoder)
        if name != "LEO"  # made for frozen embeddings: Table 5
    }
    return Preset((protocol.data,), cost, protocol.described(), cells)


def _cell(name: str, shots: int, protocol: Protocol, scratch: Path) -> dict[str, Any]:
    candidates = methods(protocol.encoder)[name]
    run, record = trained_and_tested(candidates, protocol, shots, scratch / f"{name}-{shots}")
    history = run.history
    record["best_validation_step"] = int(
        history["validation_step"][history["validation_score"].argmax()]
    )
    if "T" in history:
        record["T"] = [float(f"{T:.4g}") for T in history["T"][:: max(1, len(history["T"]) // 100)]]
    return record


def judge(cells: Cells) -> tuple[Finding, ...]:
    """COMLN against each of the gradient-based methods, column by column."""
    return tuple(
        above_all(
            f"With {counted(shots)} COMLN is the most accurate of the gradient-based methods.",
            cells,
            f"COMLN, {shots}-shot",
            [f"{name}, {shots}-shot" for name in GRADIENT_BASED if name != "COMLN"],
        )
        for shots in SHOTS
    )


EXPERIMENT = Experiment(
    "comln-table-2",
    "Few-shot classification: accuracy of COMLN and of the methods it is compared with",
    "COMLN is more accurate than the other gradient-based methods, with 1 and with 5 shots.",
    {
        "classroom": lambda: preset(CLASSROOM, "about 45 minutes on 2 cores"),
        "paper": lambda: preset(PAPER, "days on one GPU: 60,000 steps of 28 trainings at 84×84"),
    },
    judge,
)
