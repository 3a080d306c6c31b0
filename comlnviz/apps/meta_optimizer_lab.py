"""MetaOptimizerLab: linear models that learn how to adapt, side by side."""

from typing import Any, final

import numpy as np

from ..figures.meta_optimizers import MetaOptimizersFigure
from ..studies import meta_optimizers
from ..studies.meta_optimizers import (
    CURVATURE,
    DEPTHS,
    KLIN,
    LINNET,
    LR,
    MODELS,
    MOST_STEPS,
    RANKS,
    SHOWN_TASKS,
    STOPS,
)
from .base import AbstractApp
from .controls import choice, log_slider, number, slider, steps, whole

_SETTINGS = ("alpha", "num_steps", "stretch", "tilt", "depth", "rank", "seed")


@final
class MetaOptimizerLab(AbstractApp):
    """Linear models, meta-trained on the same tasks: which of them learns how to adapt?

    Stretch the plane, and see which models still adapt; then look at the update that they have
    learned. A tilt of 0 is as a rate for every parameter would have it.

    Source: Decoupling Adaptation from Modeling with Meta-Optimizers (2020), Sections 3.2 and 4.
    """

    cites = ("metaopt",)

    def _make_controls(self) -> dict[str, Any]:
        self._compiled: set[tuple[int, int]] = set()
        return {
            "model": choice("look at", MODELS, KLIN, "Whose task, update and matrices are shown"),
            "meta_step": steps(
                "meta-step", STOPS, STOPS[-1], "How long it has been meta-trained: 0–150 steps"
            ),
            "task": whole("task", 0, SHOWN_TASKS - 1, 0, "Which new task it adapts to: 0–7"),
            "alpha": log_slider("α", -1.5, 1.5, 2.0, "Learning rate within a task: 0.03–30"),
            "num_steps": whole("inner steps", 1, MOST_STEPS, 1, "Steps within a task: 1–3"),
            "seed": number("seed", 0, 999, 0, "Which tasks, and which start: 0–999"),
            "stretch": slider(
                "stretch", 1, 10, 0.25, 4, "How much farther points spread one way: 1–10 times"
            ),
            "tilt": slider("tilt", 0, 90, 5, 40, "Where they spread farther: 0–90 degrees"),
            "depth": choice(
                "depth", DEPTHS, 2, "Layers of KFC and CFC, hidden layers of LinNet: 1–3"
            ),
            "rank": choice("rank", RANKS, 1, "Rank of CFC's layers, in a plane: 1 or 2"),
        }

    def _make_picture(self) -> MetaOptimizersFigure:
        self._picture = MetaOptimizersFigure()
        return self._picture

    def settings(self) -> dict[str, Any]:
        """What `studies.meta_optimizers.study` is called with for the present picture."""
        return {name: control.value for name, control in self.controls.items()}

    def _update(self) -> str:
        settings = self.settings()
        model, meta_step = settings["model"], settings["meta_step"]
        sizes = settings["depth"], settings["rank"]
        if sizes not in self._compiled:
            self._busy("Compiling the meta-training of seven models")
        shared = {name: settings[name] for name in _SETTINGS}
        learned = meta_optimizers.courses(**shared)
        self._accuracy = {name: course.accuracy for name, course in learned.items()}
        record = self._record = meta_optimizers.study(**settings)
        self._compiled.add(sizes)
        picture = self._picture
        picture.show_courses(self._accuracy, model, meta_step)
        picture.show_task(record, model)
        picture.show_update(record, model)
        picture.show_matrices(self._matrices(), model)
        picture.write(self._readout())
        return self._complaint()

    def _matrices(self) -> dict[str, np.ndarray]:
        """The map; its factors where it has some; and what it should be, as large as it is."""
        model, record = self.controls["model"].value, self._record
        A, wanted = np.asarray(record.look.A), record.wanted
        found = {"its map A": A}
        if model not in (LR, LINNET) and "rates" not in record.factors:
            found |= {_factor_name(name, model): f for name, f in record.factors.items()}
        if len(found) < 3:
            found["wanted, up to a factor"] = wanted * np.trace(A) / np.trace(wanted)
        return found

    def _readout(self) -> str:
        look = self._record.look
        eigenvalues = ", ".join(map(_written, _eigenvalues(look.A)))
        wanted = np.linalg.eigvalsh(self._record.wanted)
        return (
            f"from the right direction: −gradient {self._angle(-look.gradient)}, −update "
            f"{self._angle(-look.update)}, boundary after adaptation "
            f"{self._angle(look.weights[-1])}\n"
            f"eigenvalues of A: {eigenvalues}; the wanted ones have the ratio "
            f"{wanted[1] / wanted[0]:.3g}"
        )

    def _angle(self, weight: Any) -> str:
        weight = np.asarray(weight)
        length = np.linalg.norm(weight)
        if not (np.isfinite(length) and length > 0):
            return "nowhere"
        cosine = np.clip(weight @ self._record.normal / length, -1, 1)
        return f"{np.degrees(np.arccos(cosine)):.0f}°"

    def _complaint(self) -> str:
        lost = [name for name, course in self._accuracy.items() if not np.isfinite(course).all()]
        if not lost:
            return ""
        first = {name: STOPS[int(np.argmin(np.isfinite(self._accuracy[name])))] for name in lost}
        listed = ", ".join(f"{name} by meta-step {step}" for name, step in first.items())
        return f"Adaptation diverged: {listed}. Lower α, or take fewer inner steps."

    def _describe(self) -> str:
        if not hasattr(self, "_record"):
            return "Nothing computed yet."
        s, look = self.settings(), self._record.look
        place = STOPS.index(s["meta_step"])
        listed = ", ".join(f"{name} {a[place]:.0%}" for name, a in self._accuracy.items())
        return (
            f"After {s['meta_step']} meta-steps, on points that spread {s['stretch']:g} times as "
            f"far one way, the accuracy on new tasks after adaptation is: {listed}. Of "
            f"{s['model']} the first step misses the right direction by "
            f"{self._angle(-look.update)}, the gradient by {self._angle(-look.gradient)}."
        )

    def code(self) -> str:
        """A runnable script that computes the numbers of the present picture."""
        self._updates.flush()
        return (
            self._call("meta_optimizers", self.settings())
            + 'print(f"accuracy at the end: {record.accuracy[-1]:.1%}")\n'
            "print(record.look.A)\n"
        )


def _factor_name(name: str, model: str) -> str:
    return name if model in (KLIN, CURVATURE) else f"{name} of layer 1"


def _eigenvalues(A: Any) -> np.ndarray:
    A = np.asarray(A)
    return np.linalg.eigvals(A) if np.all(np.isfinite(A)) else np.full(2, np.nan)


def _written(value: complex) -> str:
    return f"{value:.3g}" if abs(np.imag(value)) > 1e-12 else f"{np.real(value):.3g}"
