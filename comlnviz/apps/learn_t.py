"""LearnT: how long to adapt, and how gradient descent finds out."""

from typing import Any, final

import numpy as np

from ..figures.learn_t import STEPS, LearnTFigure
from ..studies import learn_t
from .base import AbstractApp
from .controls import choice, log_slider, number, slider, steps


@final
class LearnT(AbstractApp):
    """The loss on new examples against the length T of adaptation, its slope, and T under SGD.

    Move shots and noise, and see where adapting longer begins to harm. Keep courses of T to
    compare them.

    Source: COMLN (Deleu et al. 2022), Proposition 4, Appendix E.3 and Figure 5.
    """

    cites = ("comln",)

    def _make_controls(self) -> dict[str, Any]:
        self._kept: list[tuple[str, np.ndarray]] = []
        tasks = ("mean of 24", *(f"task {i}" for i in range(8)))
        return {
            "T": log_slider("T at first", -2, 3, 0.1, "T before the first step: 0.01–1000"),
            "shots": steps("shots", (1, 2, 5, 10), 5, "Labelled examples a class: 1, 2, 5 or 10"),
            "noise": slider(
                "wrong labels", 0, 0.6, 0.05, 0.0, "Share of labelled examples with a wrong label"
            ),
            "rate": log_slider("rate of SGD", -1, 2, 3.0, "Learning rate for log T: 0.1–100"),
            "show": choice("curves of", tasks, tasks[0], "All tasks and their mean, or one task"),
            "seed": number("tasks", 0, 999, 0, "Which tasks of digits 5 to 9: 0–999"),
        }

    def _make_picture(self) -> LearnTFigure:
        self._picture = LearnTFigure()
        self._key: tuple | None = None
        return self._picture

    def _extra_buttons(self) -> list[tuple[str, str, Any]]:
        return [
            ("Keep this course of T", "Leave it in the panel, to compare with others", self.keep),
            ("Forget courses", "Take the kept courses away", self.forget),
        ]

    def keep(self) -> None:
        """Keep the present course of T; the last four are shown."""
        self._updates.flush()
        shots = self._value("shots")
        name = "1 shot" if shots == 1 else f"{shots} shots"
        if self._value("noise"):
            name += f", {100 * self._value('noise'):.0f}% wrong"
        self._kept.append((name, self._path))
        self._updates.request()

    def forget(self) -> None:
        """Forget the kept courses."""
        self._kept.clear()
        self._updates.request()

    def _value(self, name: str) -> Any:
        return self.controls[name].value

    def _update(self) -> str:
        key = (self._value("shots"), self._value("noise"), self._value("seed"))
        if key != self._key:
            if self._key is None:
                self._busy("Compiling the flows of 24 tasks")
            shots, noise, seed = key
            self._curves = learn_t.study(shots=shots, noise=noise, seed=seed)
            self._best, self._key = learn_t.best(self._curves), key
        T = self._value("T")
        self._path = learn_t.learn(
            self._curves, start=T, learning_rate=self._value("rate"), steps=STEPS
        )
        shown = self._value("show")
        task = int(shown.split()[1]) if shown.startswith("task") else None
        self._picture.show(self._curves, T, self._best, self._path, task)
        self._picture.show_kept(self._kept)
        self._picture.write(
            f"T = {T:.3g}      least query loss, in the mean, at T = {self._best:.3g}      "
            f"SGD: T = {self._end():.3g} after {STEPS} steps"
        )
        return ""

    def _end(self) -> float:
        """T at the end of the course, the noise of single steps averaged away."""
        return float(np.exp(np.log(self._path[-50:]).mean()))

    def _describe(self) -> str:
        if self._key is None:
            return "Nothing computed yet."
        return (
            f"With {self._key[0]} labelled examples a class, the loss on the queries is "
            f"least at T = {self._best:.3g}, where the alignment of the two gradients changes its "
            f"sign. SGD takes T from {self._path[0]:.3g} to {self._end():.3g}."
        )

    def code(self) -> str:
        """A runnable script that computes the numbers of the present picture."""
        self._updates.flush()
        v = self._value
        return (
            "from comlnviz.studies import learn_t\n\n"
            f"curves = learn_t.study(shots={v('shots')!r}, noise={v('noise')!r}, "
            f"seed={v('seed')!r})\n"
            f"path = learn_t.learn(curves, start={v('T')!r}, learning_rate={v('rate')!r})\n"
            'print(f"least query loss at T = {learn_t.best(curves):.3g}; SGD: {path[-1]:.3g}")\n'
        )
