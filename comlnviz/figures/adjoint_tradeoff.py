"""States stored on the way, the costate on its way back, and its error: AdjointTradeoff."""

from typing import Any, final

import numpy as np

from ..studies.adjoint_tables import Points, Table
from ..studies.adjoint_tradeoff import METHODS, Record
from .style import (
    COLOURS,
    METHOD_COLOURS,
    PURPLE,
    animate,
    apply_theme,
    feed,
    label_axes,
    new_figure,
    new_readout,
    settle,
)

_COLOURS = {
    "modified Euler": METHOD_COLOURS["A-MAML"],
    "order 4": PURPLE,
    "back-solving": METHOD_COLOURS["A-MAML by backsolve"],
}
_LOWEST, _HIGHEST = 1e-10, 1e3  # of errors
_FAR = 1e9  # how far off the panels a point is still drawn
_NONE = np.empty((2, 0))
# Of each problem: the state's name, and of state and costate the scale, the range and the ticks.
_FRAMES: dict[str, Any] = {
    "closed form": (
        "the state y(t)",
        ("asinh", (-120, 4), (-100, -10, -1, 0, 1)),
        ("log", (0.3, 3e3), (1, 10, 100, 1000)),
    ),
    "CosMixture": (
        "the network's way from u(0) to u(T), a share",
        ("linear", (-0.6, 1.6), (0, 0.5, 1, 1.5)),
        ("linear", (-0.5, 3.0), (0, 1, 2, 3)),
    ),
}


@final
class TradeoffFigure:
    """Feed it with `frame`, `show`, `show_table`, `show_sweep` and `write`."""

    def __init__(self) -> None:
        """Make everything once."""
        self.figure = new_figure(9.8, 5.6, foot=0.05)
        grid = self.figure.add_gridspec(2, 2)
        self.state = self.figure.add_subplot(grid[0, 0])
        self.costate = self.figure.add_subplot(grid[1, 0])
        self.errors = self.figure.add_subplot(grid[:, 1])
        self._make_ways()
        self._make_errors()
        self.readout = new_readout(self.state)
        self.frame("closed form")
        self.set_theme(False)
        settle(self.figure)

    def _make_ways(self) -> None:
        label_axes(self.state, " ", "", "")
        label_axes(self.costate, "the costate along the meta-gradient: 1 is right", "t / T", "")
        self.right, self.points = {}, {}
        for axes in (self.state, self.costate):
            axes.set(xlim=(-0.03, 1.03))
            axes.grid(True, lw=0.6)
            (self.right[axes],) = axes.plot([], [], color=COLOURS["flow"], lw=4, alpha=0.6)
            (self.points[axes],) = axes.plot([], [], lw=1.2, marker="o", ms=4)
            animate(self.right[axes], self.points[axes])
        (self.lands,) = self.costate.plot([], [], marker="s", ms=9, ls="")
        self.aim = self.costate.axhline(1, lw=1, ls=":")
        animate(self.lands)
        self.notes = [
            self.state.text(1, 1.03, "forward →", ha="right", transform=self.state.transAxes),
            self.costate.text(1, 1.03, "← backward", ha="right", transform=self.costate.transAxes),
        ]

    def _make_errors(self) -> None:
        axes = self.errors
        label_axes(axes, "relative error of the meta-gradient", "stored states (log)", "")
        axes.set(xscale="log", yscale="log", xlim=(1.5, 1500), ylim=(_LOWEST, _HIGHEST))
        axes.grid(True, lw=0.6)
        plot = axes.plot
        (self.all,) = plot([], [], lw=0.9, alpha=0.6)
        (self.nearest,) = plot([], [], lw=1.6, marker=".", ms=8)
        (self.paper,) = plot([], [], ls="", marker="D", mfc="none", ms=7)
        (self.swept,) = plot([], [], lw=1.6, ls="--")
        (self.here,) = plot([], [], ls="", marker="s", ms=10)
        self.key = [
            axes.text(0.03, 0.04 + 0.045 * row, "", fontsize=8, transform=axes.transAxes)
            for row in range(4)
        ]
        animate(self.all, self.nearest, self.paper, self.swept, self.here, *self.key)

    def set_theme(self, dark: bool) -> None:
        """Light or dark."""
        ink = (self.readout, self.paper, *self.notes, *self.key)
        apply_theme(self.figure, dark, (self.aim,), ink)
        for note in self.notes:
            note.set_fontsize(8)

    def frame(self, problem: str) -> None:
        """The axes of a problem."""
        title, *scales = _FRAMES[problem]
        self.state.set_title(title, fontsize=10, loc="left")
        for axes, (scale, limits, ticks) in zip((self.state, self.costate), scales, strict=True):
            axes.set_yscale(scale)
            axes.set_ylim(*limits)
            axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
            axes.set_yticks([], minor=True)

    def show(self, record: Record, method: str, num_states: int) -> None:
        """Draw the ways there and back; the error stands at `num_states`, if there are any."""
        colour = _COLOURS[method]
        solved = method == "back-solving"
        times = np.linspace(0, 1, len(record.reference.state))
        clip = lambda values: np.clip(values, -_FAR, _FAR)
        for axes, right, found in (
            (self.state, record.reference.state, record.state),
            (self.costate, record.reference.costate, record.costate),
        ):
            feed(self.right[axes], times, clip(right))
            line = self.points[axes]
            line.set_color(colour)
            line.set_marker("" if solved else "o")
            line.set_linestyle("-" if solved or axes is self.costate else "")
            known = np.isfinite(found)
            feed(line, record.share[known], clip(found[known]))
        for marker in (self.lands, self.here):
            marker.set_color(colour)
        feed(self.lands, [0.0], clip(record.costate[:1]))
        error = np.clip([record.error], _LOWEST, _HIGHEST)
        feed(self.here, [2 if solved else num_states], error)

    def show_table(self, problem: str, table: Table, T: float, method: str) -> None:
        """The table's errors for the method, those of the nearest T bold beside the paper's."""
        near = min(table.theirs, key=lambda t: abs(np.log(t / T)))
        stores = method != "back-solving"
        measured = method if stores else METHODS[0]  # to compare with
        gap = np.full((2, 1), np.nan)
        curves = [x for (name, _), points in table.ours.items() if name == measured
                  for x in (points, gap)]  # fmt: skip
        feed(self.all, *np.concatenate([*curves, gap], axis=1))
        feed(self.nearest, *table.ours.get((measured, near), _NONE))
        shown = measured == METHODS[0]  # the only one in the paper
        feed(self.paper, *(table.theirs[near] if shown else _NONE))
        for line in (self.all, self.nearest, self.swept):
            line.set_color(_COLOURS[measured])
        name = "Table 4" if problem == "closed form" else "Table 5"
        self._write_key(
            f"◇ {name} of the paper, T = {near:g}" if shown else "",
            f"● the same measured here: {measured}, T = {near:g}",
            "■ the present setting" + ("" if stores else ", which stores none"),
        )

    def _write_key(self, *lines: str) -> None:
        for text, line in zip(self.key, [*filter(None, lines), "", "", ""], strict=False):
            text.set_text(line)

    def show_sweep(self, points: Points | None) -> None:
        """The errors of the present problem with every number of states; none for `None`."""
        x, y = _NONE if points is None else points
        feed(self.swept, x, np.clip(y, _LOWEST, _HIGHEST))

    def write(self, text: str) -> None:
        """The readout."""
        self.readout.set_text(text)
