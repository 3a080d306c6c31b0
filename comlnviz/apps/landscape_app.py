"""What the figures on a loss landscape share: the controls that choose it, and entering it."""

from typing import Any

import numpy as np

from ..studies import landscapes
from .base import AbstractApp
from .controls import choice, log_slider, number, steps

SOLVERS = ("Dopri5", "Tsit5", "Dopri8", "Heun", "Euler", "Kvaerno5")
FEW_SHOT = "few-shot digits"


class AbstractLandscapeApp(AbstractApp):
    """A live figure on one of `studies.landscapes`, with a solver walking on it."""

    _picture: Any  # a figure with `frame` and `show_landscape`
    _land_key: tuple | None = None
    _compiled: frozenset[tuple] = frozenset()

    def _landscape_controls(self, problems: tuple[str, ...], problem: str) -> dict[str, Any]:
        return {
            "problem": choice("loss", problems, problem, "Which loss surface to walk on"),
            "condition": log_slider(
                "condition", 0, 3, 10.0, "Ratio of the quadratic's curvatures: 1–1000"
            ),
            "shots": steps("shots", (1, 2, 5, 10), 5, "Labelled examples a class: 1, 2, 5 or 10"),
            "seed": number(
                "task", 0, 999, 0, "Which few-shot task, or which points to classify: 0–999"
            ),
        }

    def _solver_controls(self, T: float, tolerance: float, step: float) -> dict[str, Any]:
        return {
            "T": log_slider(
                "T", -2, 2, T, "Length of the adaptation, in time; a step of α lasts α: 0.01–100"
            ),
            "solver": choice(
                "solver", SOLVERS, "Dopri5", "Which method integrates the flow (Diffrax)"
            ),
            "tolerance": log_slider(
                "tolerance",
                -10,
                -1,
                tolerance,
                "Relative and absolute tolerance of adaptive solvers: 1e-10–0.1",
            ),
            "step": log_slider(
                "step (Euler)", -3, 1, step, "Length of Euler's constant step, in time: 0.001–10"
            ),
        }

    def _values(self, *names: str) -> dict[str, Any]:
        return {name: self.controls[name].value for name in names}

    def _landscape(self) -> tuple[landscapes.Landscape, landscapes.Queries | None]:
        which = self._values("condition", "shots", "seed")
        return landscapes.opened(self.controls["problem"].value, **which)

    def _rest_what_does_nothing(self) -> None:
        """Grey out the controls that the present loss and solver have no use for."""
        problem, solver = self.controls["problem"].value, self.controls["solver"].value
        used = {
            "condition": problem == "quadratic",
            "shots": problem == FEW_SHOT,
            "seed": problem in (FEW_SHOT, "logistic regression"),
            "step": solver == "Euler",
            "tolerance": solver != "Euler",
        }
        for name, useful in used.items():
            self.controls[name].disabled = not useful

    def _check_solver(self) -> None:
        if self.controls["problem"].value == FEW_SHOT and self.controls["solver"].value[0] == "K":
            raise ValueError(
                "Kvaerno5 is implicit and would factor a 250 × 250 matrix at every step here; "
                "choose an explicit solver, or a loss in two dimensions."
            )

    def _announce(self, *kind: str) -> None:
        """Say that a kind of picture is about to be compiled, the first time."""
        if kind not in self._compiled:
            self._busy(f"Compiling {' · '.join(kind)}")
            self._compiled |= {kind}

    def _enter_landscape(self) -> tuple[landscapes.Landscape, landscapes.Queries | None] | None:
        """Draw the surface when it is another one than before; it then, else None."""
        key = tuple(self._values("problem", "condition", "shots", "seed").values())
        if key == self._land_key:
            return None
        land, queries = self._landscape()
        limits = self._picture.frame(np.asarray(land.low), np.asarray(land.high))
        x, y, z = landscapes.surface(land, *limits)
        leading = ("W along its leading direction", "W along the second")
        names = leading if key[0] == FEW_SHOT else ("w₁", "w₂")
        self._picture.show_landscape(x, y, z, names)
        self._land_key = key
        return land, queries
