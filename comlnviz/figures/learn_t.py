"""Loss, accuracy and alignment against T, and T on its way: the figure of LearnT."""

from typing import Any, final

import numpy as np

from ..studies.learn_t import HIGHEST, LOWEST, TASKS, TIMES, Curves
from .style import (
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    SKY,
    animate,
    apply_theme,
    feed,
    label_axes,
    new_figure,
    new_readout,
    settle,
)

STEPS = 300
_KEPT = (SKY, ORANGE, PURPLE, GREEN)


@final
class LearnTFigure:
    """Feed it with `show`, `show_kept` and `write`."""

    def __init__(self) -> None:
        """Make everything once."""
        self.figure = new_figure(9.8, 5.6, foot=0.05)
        (self.loss, self.learning), (self.accuracy, self.slope) = self.figure.subplots(2, 2)
        self._make_curves()
        self._make_learning()
        self.readout = new_readout(self.loss)
        self.set_theme(False)
        settle(self.figure)

    def _make_curves(self) -> None:
        label_axes(self.loss, "loss on the queries", "", "cross-entropy")
        label_axes(self.accuracy, "accuracy on the queries", "T (time, log)", "")
        label_axes(self.slope, "⟨∇L query, ∇L support⟩ = −dL/dT, times T", "T (time, log)", "")
        limits = {self.loss: (0, 2.2), self.accuracy: (0.2, 1.02), self.slope: (-0.5, 0.7)}
        self.means, self.each, self.here = {}, {}, {}
        for axes, (low, high) in limits.items():
            axes.set(xscale="log", xlim=(LOWEST, HIGHEST), ylim=(low, high))
            axes.grid(True, lw=0.6)
            (self.each[axes],) = axes.plot([], [], color=BLUE, lw=0.6, alpha=0.35)
            (self.means[axes],) = axes.plot([], [], color=BLUE, lw=2.5)
            (self.here[axes],) = axes.plot([], [], color=BLUE, marker="o", ms=8)
            animate(self.each[axes], self.means[axes], self.here[axes])
        (self.support,) = self.loss.plot([], [], lw=1.3, ls="--")
        (self.least,) = self.loss.plot([], [], marker="v", ms=7, ls="", color=GREEN)
        self.zero = self.slope.axhline(0, lw=1)
        self.notes = [
            self.loss.text(0.02, 0.05, "dashed: on the support set", fontsize=8),
            self.loss.text(0.98, 1.02, "▼ least", fontsize=8, ha="right", color=GREEN),
            self.slope.text(0.02, 0.93, "adapting longer helps", fontsize=8, va="top"),
            self.slope.text(0.02, 0.05, "adapting longer harms", fontsize=8),
        ]
        for note in self.notes:
            note.set_transform(note.axes.transAxes)  # pyright: ignore[reportOptionalMemberAccess]
        animate(self.support, self.least)

    def _make_learning(self) -> None:
        axes = self.learning
        label_axes(axes, "T under SGD", "step of meta-training", "T")
        axes.set(yscale="log", xlim=(0, STEPS), ylim=(LOWEST, HIGHEST))
        axes.grid(True, lw=0.6)
        # Broad: where the present course is the same, it lies on the kept one and leaves its edges.
        self.kept = [axes.plot([], [], color=c, lw=4.5, alpha=0.55)[0] for c in _KEPT]
        # A list in the corner that the courses leave empty: at their ends they would overlap.
        self.kept_names = [
            axes.text(0.98, 0.06 + 0.08 * row, "", color=c, fontsize=8, ha="right",
                      transform=axes.transAxes)
            for row, c in enumerate(_KEPT)
        ]  # fmt: skip
        (self.path,) = axes.plot([], [], color=BLUE, lw=2)
        (self.target,) = axes.plot([], [], color=GREEN, lw=1, ls=":")
        (self.start,) = axes.plot([], [], color=BLUE, marker="o", ms=8)
        animate(*self.kept, *self.kept_names, self.path, self.target, self.start)

    def set_theme(self, dark: bool) -> None:
        """Light or dark."""
        ink = (self.readout, *(note for note in self.notes if note.get_color() != GREEN))
        apply_theme(self.figure, dark, (self.support, self.zero), ink)

    def show(
        self, curves: Curves, T: float, least: float, path: np.ndarray, task: int | None
    ) -> None:
        """Draw the mean of all tasks, or one `task`; T is where the dots are."""
        rows = {
            self.loss: np.asarray(curves.query_loss),
            self.accuracy: np.asarray(curves.accuracy),
            self.slope: np.asarray(curves.alignment) * TIMES,
        }
        gap = np.full((TASKS, 1), np.nan)
        times = np.concatenate([np.broadcast_to(TIMES, (TASKS, len(TIMES))), gap], axis=1)
        pick = lambda values: values.mean(0) if task is None else values[task]
        for axes, values in rows.items():
            mean = pick(values)
            lines = np.concatenate([values, gap], axis=1) if task is None else gap
            feed(self.each[axes], (times if task is None else gap).ravel(), lines.ravel())
            feed(self.means[axes], TIMES, mean)
            feed(self.here[axes], [T], [np.interp(np.log(T), np.log(TIMES), mean)])
        feed(self.support, TIMES, pick(np.asarray(curves.support_loss)))
        lowest = np.interp(np.log(least), np.log(TIMES), pick(rows[self.loss]))
        feed(self.least, [least], [lowest + 0.09])
        feed(self.path, np.arange(len(path)), path)
        feed(self.target, [0, STEPS], [least, least])
        feed(self.start, [0], path[:1])

    def show_kept(self, kept: list[tuple[str, np.ndarray]]) -> None:
        """The reader's kept courses of T, each with its name."""
        shown: list[Any] = [*kept[-len(_KEPT) :], *[("", np.empty(0))] * len(_KEPT)]
        for line, text, (name, path) in zip(self.kept, self.kept_names, shown, strict=False):
            feed(line, np.arange(len(path)), path)
            text.set_text(name)

    def write(self, text: str) -> None:
        """The readout."""
        self.readout.set_text(text)
