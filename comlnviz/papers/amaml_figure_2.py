"""A-MAML, Figure 2: how fast a network learns a function from each method's initialization."""

import dataclasses
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

from ..tasks import AbstractFunctions, AbstractTasks, Alpine, CosMixture, Finite
from .experiment import Experiment, Preset
from .findings import Cells, Finding, is_so, smaller_than_all
from .initializations import METHODS, Protocol, cell

FUNCTIONS: dict[str, type[AbstractFunctions]] = {"CosMixture": CosMixture, "Alpine": Alpine}
SETTINGS = {50: 200, 100: 500}  # shots, and gradient steps
TRAINING_TASKS, TEST_QUERIES = 100, 100
PAPER = Protocol(inputs=2, widths=(32, 32), num_steps=5000)
CLASSROOM = dataclasses.replace(PAPER, num_steps=1500)
COLUMNS = [f"{name} {shots}shot-{shots}val" for shots in SETTINGS for name in FUNCTIONS]


def preset(protocol: Protocol, cost: str) -> Preset:
    """Six methods, two functions, two settings."""
    cells = {
        f"{method}, {name} {shots}shot-{shots}val": partial(_cell, method, name, shots, protocol)
        for shots in SETTINGS
        for name in FUNCTIONS
        for method in METHODS
    }
    tasks = (
        f"{TRAINING_TASKS} for meta-training, others for testing with {TEST_QUERIES} queries; "
        "inputs and values standardized over all tasks, as in the authors' released code"
    )
    return Preset((), cost, {**protocol.described(), "tasks": tasks}, cells)


def training(name: str, shots: int) -> AbstractTasks:
    """The tasks for meta-training."""
    tasks = FUNCTIONS[name](shots, shots, standardized=True)  # pyright: ignore[reportCallIssue]
    return Finite(tasks, TRAINING_TASKS)


def testing(name: str, shots: int) -> AbstractFunctions:
    """The tasks for testing."""
    return FUNCTIONS[name](shots, TEST_QUERIES, standardized=True)  # pyright: ignore[reportCallIssue]


def files(name: str, shots: int, scratch: Path) -> Path:
    """Where checkpoints of meta-training are."""
    return scratch / f"{name}-{shots}"


def _cell(method: str, name: str, shots: int, protocol: Protocol, scratch: Path) -> dict[str, Any]:
    tasks = training(name, shots), testing(name, shots)
    keys = jax.random.split(jax.random.key(protocol.seed + 1), protocol.test_tasks)
    return cell(method, protocol, SETTINGS[shots], *tasks, keys, files(name, shots, scratch))


def judge(cells: Cells) -> tuple[Finding, ...]:
    """A-MAML against the others, at the end and on the way; one gradient step against several."""
    found = []
    for column in COLUMNS:
        name = lambda method, column=column: f"{method}, {column}"
        if name("AMAML") not in cells:
            continue
        others = [name(m) for m in METHODS if m != "AMAML"]
        claim = f"{column}: A-MAML's initialization leads to the smallest error."
        found.append(smaller_than_all(claim, cells, name("AMAML"), others))
        claim = f"{column}: one gradient step in MAML is worse than many."
        found.append(smaller_than_all(claim, cells, name("MAML"), [name("MAML-1")]))
        curves = [cells[n]["curve"] for n in others if "curve" in cells.get(n, {})]
        if "curve" in cells[name("AMAML")] and len(curves) == len(others):
            first = np.asarray(cells[name("AMAML")]["curve"]) < np.min(curves, axis=0)
            found.append(
                is_so(
                    f"{column}: A-MAML's mean error is the smallest throughout the training.",
                    bool(first.all()),
                    f"so in {first.sum()} of {len(first)} looks",
                )
            )
    return tuple(found)


EXPERIMENT = Experiment(
    "amaml-figure-2",
    "nRMSE over gradient steps from the initializations of six methods",
    "A-MAML's initialization leads to smaller errors throughout the training.",
    {
        "classroom": lambda: preset(CLASSROOM, "about an hour on one core"),
        "paper": lambda: preset(PAPER, "about 4 hours on one core"),
    },
    judge,
    form=".3f",
    lower_is_better=True,
)
