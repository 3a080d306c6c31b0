"""The flow there and back: two paths, their distance, and what the remedies get."""

from typing import Any, final

import numpy as np

from ..studies.backward_instability import Record
from ..studies.meta_gradients import METHODS
from .landscape import AbstractLandscapeFigure
from .style import COLOURS, animate, apply_theme, feed, label_axes, theme

NAMES = {
    "Backsolve": "solve backward",
    "StoredStates": "stored states",
    "ForwardSensitivity": "forward sensitivity",
    "GramAdjoint": "Gram adjoint",
}
_LOWEST, _HIGHEST = 1e-17, 1e6  # of distances
_SMALLEST, _LARGEST = 1e-9, 1e3  # of gradient errors
_GONE = 1e6  # how far from the plane's centre a path is still drawn, in units of the plane


@final
class InstabilityFigure(AbstractLandscapeFigure):
    """The figure of BackwardInstability. Feed it with `show_landscape`, `show`, `show_errors`."""

    def __init__(self) -> None:
        super().__init__(upper_height=1.1)

    # ------------------------------------------------------------------ artists, made once
    def _make_paths(self) -> None:
        plot = self.plane.plot
        (self.forward,) = plot([], [], color=COLOURS["flow"], lw=4, alpha=0.8)
        (self.backward,) = plot([], [], color=COLOURS["backward"], lw=2)
        (self.stored,) = plot([], [], color=COLOURS["StoredStates"], ls="", marker="o", ms=5)
        (self.head_forward,) = plot([], [], color=COLOURS["flow"], marker="o", ms=9)
        (self.head_backward,) = plot([], [], color=COLOURS["backward"], marker="o", ms=9)
        self._write_key(
            (0.0, "━ forward, W(0) to W(T)", "flow"),
            (0.5, "━ back again, from W(T)", "backward"),
        )

    def _make_panels(self, upper: Any, lower: Any) -> None:
        self.growth = self.figure.add_subplot(upper)
        self.bars = self.figure.add_subplot(lower)
        self.returns = self.figure.add_subplot(lower)
        self._make_growth()
        self._make_bars()
        self._make_returns()

    def _make_growth(self) -> None:
        axes = self.growth
        label_axes(axes, "", "t / T   (going back: right to left)", "distance of the paths")
        axes.set(yscale="log", xlim=(0, 1), ylim=(_LOWEST, _HIGHEST))
        axes.grid(True, lw=0.6)
        (self.distance,) = axes.plot([], [], color=COLOURS["backward"], lw=2)
        (self.predicted,) = axes.plot([], [], lw=1.3, ls="--")
        (self.now,) = axes.plot([], [], color=COLOURS["backward"], marker="o", ms=8)
        above: dict[str, Any] = dict(transform=axes.transAxes, fontsize=8, y=1.02)
        words = "dashed: tolerance × exp ∫μ dt,  largest μ = "
        # Apart from its number, which moves: a text costs what it is long.
        self.growth_words = axes.text(0.88, s=words, ha="right", **above)
        self.growth_note = axes.text(0.88, s="", **above)
        animate(self.distance, self.predicted, self.now, self.growth_note)

    def _make_bars(self) -> None:
        axes = self.bars
        label_axes(axes, "", "relative error of the meta-gradient dL/dW₀", "")
        axes.set(xscale="log", xlim=(_SMALLEST, _LARGEST), ylim=(len(METHODS) - 0.4, -0.6))
        axes.set_yticks(range(len(METHODS)), [NAMES[m] for m in METHODS])
        axes.grid(True, axis="x", lw=0.6)
        self.boxes = [
            axes.barh(i, 0.0, left=_SMALLEST, height=0.6, color=COLOURS[m])[0]
            for i, m in enumerate(METHODS)
        ]
        self.values = [
            axes.text(_SMALLEST * 1.3, i, "", va="center", fontsize=8) for i in range(len(METHODS))
        ]
        self.bars_note = axes.text(1, 1.02, "", transform=axes.transAxes, ha="right", fontsize=8)
        animate(*self.boxes, *self.values, self.bars_note)

    def _make_returns(self) -> None:
        axes = self.returns
        label_axes(axes, "how far from W(0) one comes back", "T", "distance / way travelled")
        axes.set(xscale="log", yscale="log", xlim=(0.1, 200), ylim=(1e-8, 1e4))
        axes.axhline(0.01, lw=1, ls=":", color="#8a8a8a")
        axes.grid(True, lw=0.6)
        (self.kept,) = axes.plot([], [], color=COLOURS["backward"], marker="o", ls="", ms=5)
        (self.present,) = axes.plot([], [], color=COLOURS["backward"], marker="s", mfc="none", ms=8)
        animate(self.kept, self.present)

    # ------------------------------------------------------------------ feeding
    def set_theme(self, dark: bool) -> None:
        """Light or dark."""
        notes = (self.growth_words, self.growth_note, self.bars_note)
        ink = (*self.readout, *notes, *self.values)
        apply_theme(self.figure, dark, (self.levels, self.predicted), ink)
        self.start.set_markeredgecolor(theme(dark)["ink"])

    def show(self, record: Record, progress: float) -> None:
        """Draw a record up to `progress`: 0 to 1 on the way there, 1 to 2 on the way back."""
        last = len(record.t) - 1
        there = round(min(progress, 1.0) * last)
        back = round(min(2.0 - progress, 1.0) * last)  # the index the way back has come down to
        returning = progress > 1.0
        clip = lambda xy: np.clip(xy, -_GONE, _GONE)
        feed(self.forward, *clip(record.forward_xy[: there + 1]).T)
        feed(self.backward, *(clip(record.backward_xy[back:]).T if returning else ([], [])))
        feed(self.start, *record.forward_xy[:1].T)
        head = record.forward_xy[there : there + 1] if not returning else np.empty((0, 2))
        feed(self.head_forward, *head.T)
        seen = np.flatnonzero(np.isfinite(record.backward_xy[:, 0]))
        at = max(back, seen[0] if len(seen) else last)
        head = clip(record.backward_xy[at : at + 1]) if returning else np.empty((0, 2))
        feed(self.head_backward, *head.T)
        share = np.linspace(0, 1, last + 1)
        fit = lambda d: np.clip(d, _LOWEST, _HIGHEST * 10)
        shown = np.where(record.distance > 0, fit(record.distance), np.nan)
        if returning:
            feed(self.distance, share[back:], shown[back:])
            feed(self.now, share[at : at + 1], shown[at : at + 1])
        else:
            feed(self.distance, [], [])
            feed(self.now, [], [])
        feed(self.predicted, share, fit(record.predicted))
        self.growth_note.set_text(f"{record.largest_curvature:.2g}")

    def show_stored(self, record: Record, count: int) -> None:
        """The states that `count` stored states keep, as dots on the way; none for 0."""
        if not count:
            feed(self.stored, [], [])
            return
        share, at = np.linspace(0, 1, len(record.t)), np.linspace(0, 1, count)
        feed(self.stored, *(np.interp(at, share, xy) for xy in record.forward_xy.T))

    def show_panel(self, bars: bool) -> None:
        """The remedies' bars, or the reader's points."""
        if self.bars.get_visible() != bars or self.returns.get_visible() == bars:
            self.bars.set_visible(bars)
            self.returns.set_visible(not bars)

    def show_errors(self, errors: dict[str, float] | None, note: str, stale: bool) -> None:
        """One bar a method; a method that is missing does not apply, NaN means that it failed."""
        for box, text, method in zip(self.boxes, self.values, METHODS, strict=True):
            error = None if errors is None else errors.get(method)
            words = "" if errors is None else "needs a linear head"
            width = 0.0
            if error is not None:
                failed = not np.isfinite(error)
                words = "failed: the way back did not end" if failed else f"{error:.1e}"
                width = 0.0 if failed else float(np.clip(error, _SMALLEST, _LARGEST)) - _SMALLEST
            box.set_width(width)
            box.set_alpha(0.3 if stale else 1.0)
            text.set_text(words)
            text.set_x((_SMALLEST + width) * 1.4 if width < 1 else _SMALLEST * 1.4)
        self.bars_note.set_text(note)

    def show_returns(self, points: list[tuple[float, float]], present: tuple[float, float]) -> None:
        """The reader's points (T, relative distance at t = 0), and the present one."""
        feed(self.kept, [p[0] for p in points], [p[1] for p in points])
        feed(self.present, [present[0]], [present[1]])
