"""A function as a surface, the fit of a network that adapts, and every method's error over time:
the figure of RegressionAdaptation.
"""

from typing import Any, final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage

from ..studies.learned_starts import FUNCTION_T, TIMES, UNTRAINED
from ..studies.regression import GRID, SIDE, Record
from .contours import level_lines
from .over_time import OverTime
from .style import (
    GREEN,
    METHOD_COLOURS,
    PURPLE,
    VERMILLION,
    animate,
    apply_theme,
    feed,
    label_axes,
    new_figure,
    new_readout,
    settle,
)
from .style import theme as colours_of

# The three in the middle have the theme's ink elsewhere, where they are few; here all are lines.
LOOKS: dict[str, dict[str, Any]] = {
    "A-MAML": dict(color=METHOD_COLOURS["A-MAML"]),
    "MAML": dict(color=METHOD_COLOURS["MAML"]),
    "MAML-1": dict(color=METHOD_COLOURS["MAML"], ls="--"),
    "FOMAML": dict(color=PURPLE),
    "Reptile": dict(color=VERMILLION),
    "iMAML": dict(color=GREEN),
    UNTRAINED: dict(ls=":"),
}
_VALUES, _LEVELS = 3.5, np.arange(-4.0, 4.1, 0.5)  # the colours span −3.5 to 3.5
_MISS = 1.5  # and those of the difference −1.5 to 1.5
_DIVERGING = {False: "RdBu_r", True: "berlin"}
_LIMITS = (0.02, 3.0)  # of the errors that are shown


@final
class RegressionFigure:
    """Feed it with `show_task`, `show_errors`, `show_fit` and `write`."""

    def __init__(self) -> None:
        """Make everything once."""
        self.figure = new_figure(9.8, 6.4, foot=0.05)
        grid = self.figure.add_gridspec(2, 1, height_ratios=(1.15, 1))
        self._make_surfaces(grid[0].subgridspec(1, 3))
        self._make_errors(grid[1])
        self.readout = new_readout(self.errors)
        self.set_theme(False)
        settle(self.figure)

    def _make_surfaces(self, grid: Any) -> None:
        panels = [self.figure.add_subplot(grid[i]) for i in range(3)]
        titles = ("the function, and what is shown of it", " ", "fit minus function")
        scales = (_VALUES, _VALUES, _MISS)
        self.truth, self.fit, self.miss = (
            self._surface(*panel) for panel in zip(panels, titles, scales, strict=True)
        )
        self.levels = [axes.plot([], [], lw=0.6, alpha=0.45)[0] for axes in panels[:2]]
        self.shown = panels[0].scatter(
            [], [], c=[], cmap="viridis", vmin=-_VALUES, vmax=_VALUES, s=26, linewidths=0.8
        )
        self.places = [axes.plot([], [], ls="", marker=".", ms=3)[0] for axes in panels[1:]]
        above: dict[str, Any] = dict(fontsize=10, weight="bold")
        self.heading = panels[1].text(0, 1.03, "", transform=panels[1].transAxes, **above)
        animate(*self.levels, self.shown, *self.places, self.heading)
        bars = (
            self.figure.colorbar(self.fit, ax=panels[:2], aspect=30, pad=0.01),
            self.figure.colorbar(self.miss, ax=panels[2], aspect=30, pad=0.02),
        )
        for bar in bars:
            bar.ax.tick_params(labelsize=8)

    def _surface(self, axes: Axes, title: str, scale: float) -> AxesImage:
        label_axes(axes, title, "x₁", "x₂")
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        image = axes.imshow(
            np.zeros((SIDE, SIDE)), cmap="viridis", vmin=-scale, vmax=scale, origin="lower",
            interpolation="none", extent=(-1, 1, -1, 1),
        )  # fmt: skip
        animate(image)
        return image

    def _make_errors(self, place: Any) -> None:
        axes = self.errors = self.figure.add_subplot(place)
        self.over_time = OverTime(
            axes, "nRMSE on other points, from each method's initialization", LOOKS, _LIMITS,
            FUNCTION_T, widest=f"{UNTRAINED}   0.000", rows=(0.94, 0.115), column=1.115,
        )  # fmt: skip
        axes.set(yscale="log")
        axes.set_yticks([0.03, 0.1, 0.3, 1, 3], ["0.03", "0.1", "0.3", "1", "3"])
        axes.set_yticks([], minor=True)
        (self.at_shown,) = axes.plot([], [], lw=1.2, ls="-.", zorder=1.9)
        animate(self.at_shown, *self.over_time.names.values())  # which turn bold

    def set_theme(self, dark: bool) -> None:
        """Light or dark."""
        faint = (*self.over_time.faint, self.at_shown)
        ink = (self.readout, self.heading, *self.levels, *self.places, *self.over_time.ink)
        apply_theme(self.figure, dark, faint, ink)
        self.miss.set_cmap(_DIVERGING[dark])
        self.shown.set_edgecolor(colours_of(dark)["ink"])

    def show_task(self, record: Record) -> None:
        """The function, and the values that are shown of it."""
        self.truth.set_data(record.truth)
        feed(self.levels[0], *level_lines(GRID, GRID, record.truth, _LEVELS).T)
        self.shown.set_offsets(record.points)
        self.shown.set_array(record.values)
        for line in self.places:
            feed(line, *record.points.T)

    def show_errors(self, record: Record, method: str) -> None:
        """Every start's error over time, the chosen one's bold."""
        self.over_time.draw(record.errors)
        for name, line in self.over_time.lines.items():
            line.set_linewidth(3 if name == method else 1.3)
            self.over_time.names[name].set_fontweight("bold" if name == method else "normal")
        feed(self.at_shown, TIMES, record.shown_errors)

    def show_fit(self, record: Record, method: str, at: int) -> None:
        """The chosen method's fit at a time, and everybody's error."""
        fit = record.fits[at]
        self.fit.set_data(fit)
        self.miss.set_data(fit - record.truth)
        feed(self.levels[1], *level_lines(GRID, GRID, fit, _LEVELS).T)
        self.heading.set_text(f"{method}, T = {TIMES[at]:.3g}")
        self.over_time.mark(record.errors, at, lost="lost")

    def write(self, text: str) -> None:
        """The readout."""
        self.readout.set_text(text)
