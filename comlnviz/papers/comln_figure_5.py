"""COMLN, Figure 5: how T moves in meta-training, and what it is worth to learn it."""

import dataclasses
from functools import partial
from pathlib import Path
from typing import Any

from ..algorithms import COMLN
from .comln_table_2 import CLASSROOM, PAPER, SHOTS
from .experiment import Experiment, Preset
from .few_shot import Protocol, methods, numbers, test, train

FIXED = (0.1, 1.0, 10.0, 100.0, 1000.0, 10000.0)


def preset(protocol: Protocol, cost: str) -> Preset:
    """T learned with 1 and 5 shots; 5 shots with T held at each of six values."""
    cells = {f"T learned, {shots}-shot": partial(_learned, shots, protocol) for shots in SHOTS}
    cells |= {f"T = {T:g}, 5-shot": partial(_fixed, T, protocol) for T in FIXED}
    return Preset((protocol.data,), cost, protocol.described(), cells)


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


EXPERIMENT = Experiment(
    "comln-figure-5",
    "T over meta-training, and accuracy with T held at six values against T learned",
    "T grows from its small beginning, ends shorter with 1 shot than with 5, and learning it is as "
    "accurate as the best T held.",
    {
        "classroom": lambda: preset(CLASSROOM, "about 15 minutes on 2 cores, after comln-table-2"),
        "paper": lambda: preset(PAPER, "a day on one GPU"),
    },
)
