"""COMLN, Table 4: whether the solver matters to accuracy."""

import dataclasses
from functools import partial
from pathlib import Path
from typing import Any

from ..algorithms import COMLN
from .comln_table_2 import CLASSROOM, PAPER, SHOTS
from .experiment import Experiment, Preset
from .few_shot import Protocol, counted, methods, numbers, test, train
from .findings import Cells, Finding, paired

EULER_STEP = 0.01  # the paper's α


def preset(protocol: Protocol, cost: str) -> Preset:
    """COMLN trained once a column, by Runge–Kutta, and judged by both solvers."""
    cells = {
        f"{solver}, {shots}-shot": partial(_cell, solver, shots, protocol)
        for shots in SHOTS
        for solver in ("Runge-Kutta", "Euler")
    }
    described = {**protocol.described(), "trained_with": "Runge-Kutta", "euler_step": EULER_STEP}
    after = {}
    for shots in SHOTS:
        trains = ("comln-table-2", f"COMLN, {shots}-shot")
        after[f"Runge-Kutta, {shots}-shot"] = (trains,)
        after[f"Euler, {shots}-shot"] = (trains, ("comln-table-4", f"Runge-Kutta, {shots}-shot"))
    return Preset((protocol.data,), cost, described, cells, after)


def _cell(solver: str, shots: int, protocol: Protocol, scratch: Path) -> dict[str, Any]:
    folder = scratch.parent.parent / "comln-table-2" / scratch.name / f"COMLN-{shots}"
    trained = train(methods(protocol.encoder)["COMLN"], protocol, shots, folder)
    algorithm = trained.algorithm
    assert isinstance(algorithm, COMLN)
    if solver == "Euler":
        algorithm = dataclasses.replace(
            algorithm, solver="euler", rtol=None, atol=None, dt0=EULER_STEP, max_steps=2**17
        )
    score = test(algorithm, trained.run.meta, protocol, shots)
    return {**numbers(score), "per_task": [round(float(x), 4) for x in score.per_task]}


def judge(cells: Cells) -> tuple[Finding, ...]:
    """The two solvers, task by task."""
    return tuple(
        paired(
            f"With {counted(shots)} Euler is as accurate as Runge–Kutta.",
            cells,
            f"Euler, {shots}-shot",
            f"Runge-Kutta, {shots}-shot",
        )
        for shots in SHOTS
    )


EXPERIMENT = Experiment(
    "comln-table-4",
    "The solver's effect on the accuracy of COMLN",
    "Explicit Euler and Runge–Kutta give the same accuracy, within the interval.",
    {
        "classroom": lambda: preset(CLASSROOM, "about 3 minutes on 2 cores, after comln-table-2"),
        "paper": lambda: preset(PAPER, "hours on one GPU"),
    },
    judge,
)
