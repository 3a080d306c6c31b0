"""COMLN, Figure 5: how T moves in meta-training, and what it is worth to learn it."""

import dataclasses
from functools import partial
from pathlib import Path
from typing import Any

from ..algorithms import COMLN
from .comln_table_2 import CLASSROOM, PAPER, SHOTS
from .experiment import Experiment, Preset
from .few_shot import Protocol, methods, numbers, test, train
from .findings import Cells, Finding, below_none, is_so

FIXED = (0.1, 1.0, 10.0, 100.0, 1000.0, 10000.0)


def preset(protocol: Protocol, cost: str) -> Preset:
    """T learned with 1 and 5 shots; 5 shots with T held at each of six powers of ten."""
    cells = {f"T learned, {shots}-shot": partial(_learned, shots, protocol) for shots in SHOTS}
    cells |= {f"T = {T:g}, 5-shot": partial(_fixed, T, protocol) for T in FIXED}
    after = {
        f"T learned, {shots}-shot": (
            ("comln-table-2", f"COMLN, {shots}-shot"),
            *(("comln-table-4", f"{solver}, {shots}-shot") for solver in ("Runge-Kutta", "Euler")),
        )
        for shots in SHOTS
    }
    return Preset((protocol.data,), cost, protocol.described(), cells, after)


def _learned(shots: int, protocol: Protocol, scratch: Path) -> dict[str, Any]:
    folder = scratch.parent.parent / "comln-table-2" / scratch.name / f"COMLN-{shots}"
    trained = train(methods(protocol.encoder)["COMLN"], protocol, shots, folder)
    every = max(1, len(trained.run.history["T"]) // 200)
    T = [float(f"{T:.4g}") for T in trained.run.history["T"][::every]]
    return {**numbers(test(trained.algorithm, trained.run.meta, protocol, shots)), "T": T}


def _fixed(T: float, protocol: Protocol, scratch: Path) -> dict[str, Any]:
    (algorithm,) = methods(protocol.encoder)["COMLN"]
    assert isinstance(algorithm, COMLN)
    held = dataclasses.replace(algorithm, T=T, learn_T=False)
    trained = train((held,), protocol, 5, scratch / f"T{T:g}")
    return {**numbers(test(held, trained.run.meta, protocol, 5)), "T": T}


def judge(cells: Cells) -> tuple[Finding, ...]:
    """Growth, order and worth of the T that is learned; nothing before the cells are there."""
    names = [f"T learned, {shots}-shot" for shots in SHOTS]
    if not all("T" in cells.get(name, {}) for name in names):
        return ()
    ones, fives = (cells[name]["T"] for name in names)
    course = f"1 shot: {ones[0]:.3g} to {ones[-1]:.3g}, 5 shots: {fives[0]:.3g} to {fives[-1]:.3g}"
    grows = ones[-1] > ones[0] and fives[-1] > fives[0]
    fixed = [f"T = {T:g}, 5-shot" for T in FIXED]
    return (
        is_so("T grows in meta-training.", grows, course),
        is_so("T ends shorter with 1 shot than with 5.", ones[-1] < fives[-1], course),
        below_none("Learning T is as accurate as the best T held.", cells, names[1], fixed),
    )


EXPERIMENT = Experiment(
    "comln-figure-5",
    "T over meta-training, and accuracy with T held at six values against T learned",
    "T grows from its small beginning, ends shorter with 1 shot than with 5, and learning it is as "
    "accurate as the best T held.",
    {
        "classroom": lambda: preset(CLASSROOM, "about 15 minutes on 2 cores, after comln-table-2"),
        "paper": lambda: preset(PAPER, "a day on one GPU"),
    },
    judge,
)
