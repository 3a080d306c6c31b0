"""Items as a map of predicted ratings, what a user said of them, and the error over time: the
figure of RatingsLab.
"""

from typing import Any, final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage

from ..data.tastes import SIDE
from ..studies.learned_starts import RATING_T, TIMES
from ..studies.ratings import ITEMS, Everyone, Record
from .over_time import OverTime
from .style import (
    GREEN,
    METHOD_COLOURS,
    VERMILLION,
    animate,
    apply_theme,
    feed,
    label_axes,
    new_figure,
    new_readout,
    settle,
)

ADAPTED, BEFORE, MEANS, UNTRAINED = LINES = (
    "adapted", "not adapted", "items' means", "adapted, untrained",
)  # fmt: skip
_OURS = METHOD_COLOURS["A-MAML"]
_LOOKS: dict[str, dict[str, Any]] = {
    ADAPTED: dict(color=_OURS, lw=2.8),
    BEFORE: dict(color=_OURS, lw=1.6, ls="--"),
    MEANS: dict(color=GREEN, lw=1.6, ls="-."),
    UNTRAINED: dict(lw=1.4, ls=":"),
}
_LIMITS = (0.2, 1.8)  # of the errors that are shown
_AXES = {
    "tastes": ("songs: slow → fast", "sad → cheerful"),
    "movielens-100k": ("films, row by row, the most often rated first", ""),
}
_SQUARE = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1], [-1, -1], [np.nan, np.nan]])


@final
class RatingsFigure:
    """Feed it with `frame`, `show_user`, `show`, `show_item`, `show_everyone` and `write`."""

    def __init__(self) -> None:
        """Make everything once."""
        self.figure = new_figure(9.8, 6.4, foot=0.07)
        grid = self.figure.add_gridspec(2, 1, height_ratios=(1.15, 1))
        upper = grid[0].subgridspec(1, 3)
        self._make_maps([self.figure.add_subplot(upper[i]) for i in range(2)])
        self._make_scatter(self.figure.add_subplot(upper[2]))
        self._make_errors(self.figure.add_subplot(grid[1]))
        self.readout = new_readout(self.errors, 0.014)
        self.frame("tastes")
        self.set_theme(False)
        settle(self.figure)

    def _make_maps(self, panels: list[Axes]) -> None:
        self.map = panels[0]
        self.predicted, self.said = (self._image(axes) for axes in panels)
        label_axes(panels[1], "what the user said; framed: given", "", "")
        self.heading = self.map.text(0, 1.03, "", fontsize=10, transform=self.map.transAxes)
        self.given = [axes.plot([], [], lw=1.6)[0] for axes in panels]
        self.chosen = [axes.plot([], [], color=VERMILLION, lw=2.2)[0] for axes in panels]
        animate(self.heading, *self.given, *self.chosen)
        bar = self.figure.colorbar(
            self.predicted, ax=panels, aspect=30, pad=0.01, ticks=range(1, 6)
        )
        bar.ax.tick_params(labelsize=8)

    def _image(self, axes: Axes) -> AxesImage:
        label_axes(axes, "", "", "")
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        image = axes.imshow(
            np.zeros((SIDE, SIDE)), cmap="viridis", vmin=1, vmax=5, interpolation="none"
        )
        animate(image)
        return image

    def _make_scatter(self, axes: Axes) -> None:
        self.pairs = axes
        label_axes(axes, "", "said", "predicted")
        axes.set(xlim=(0.5, 5.5), ylim=(0.5, 5.5), xticks=range(1, 6), yticks=range(1, 6))
        axes.grid(True, lw=0.6)
        axes.set_box_aspect(1)
        (self.right,) = axes.plot([0.5, 5.5], [0.5, 5.5], lw=1)
        (self.earlier,) = axes.plot([], [], ls="", marker="o", ms=4, mfc="none", alpha=0.6)
        (self.moved,) = axes.plot([], [], color=_OURS, lw=0.8, alpha=0.6)
        (self.later,) = axes.plot([], [], ls="", marker="o", ms=5, color=_OURS)
        self.which = axes.text(0, 1.03, "", fontsize=10, transform=axes.transAxes)
        animate(self.earlier, self.moved, self.later, self.which)

    def _make_errors(self, axes: Axes) -> None:
        self.errors = axes
        self.over_time = OverTime(
            axes, "nRMSE on held-out ratings: 1 for who always says the mean of all", _LOOKS,
            _LIMITS, RATING_T, level=(BEFORE, MEANS), widest="  items' means 0.000 ± 0.000",
            rows=(0.92, 0.13), column=1.2,
        )  # fmt: skip
        (self.all,) = axes.plot([], [], color=_OURS, lw=6, alpha=0.35, zorder=1.5)
        (self.ends,) = axes.plot([], [], color=_OURS, lw=0.8, zorder=1.5)
        within: dict[str, Any] = dict(fontsize=9, transform=axes.transAxes)
        self.key = axes.text(1.015, 0.34, "", color=_OURS, va="center", **within)
        self.unknown = axes.text(0.5, 0.5, "", ha="center", **within)
        animate(self.all, self.ends, self.key, self.unknown)

    def set_theme(self, dark: bool) -> None:
        """Light or dark."""
        faint = (*self.over_time.faint, self.right, self.earlier)
        ink = (self.readout, self.heading, self.which, self.unknown, *self.given)
        apply_theme(self.figure, dark, faint, (*ink, *self.over_time.ink))

    def frame(self, problem: str) -> None:
        """Name the axes of the map."""
        x, y = _AXES[problem]
        self.map.set_xlabel(x, fontsize=9)
        self.map.set_ylabel(y, fontsize=9)

    def show_user(
        self, given: tuple[np.ndarray, np.ndarray], held: tuple[np.ndarray, np.ndarray]
    ) -> None:
        """The ratings that are given, and those that are held out: (items, ratings) each."""
        said = np.full(ITEMS, np.nan)
        for items, ratings in (given, held):
            said[items] = ratings
        self.said.set_data(np.ma.masked_invalid(said.reshape(SIDE, SIDE)))
        for line in self.given:
            feed(line, *_squares(given[0], 0.46))

    def show(
        self,
        record: Record,
        errors: dict[str, np.ndarray],
        at: int,
        pairs: tuple[np.ndarray, np.ndarray, np.ndarray],
        which: str,
    ) -> None:
        """Draw the predictions at a time, and the errors over time.

        **Arguments:**

        - `errors`: by the names of `LINES`, over time.
        - `pairs`: ratings, their predictions not adapted, and their predictions now.
        - `which`: what the pairs are.
        """
        self.heading.set_text(f"predicted, T = {TIMES[at]:.3g}")
        self.predicted.set_data(record.adapted[at].reshape(SIDE, SIDE))
        self.which.set_text(which)
        said, earlier, later = pairs
        # Beside each other, so that they can be told apart: always in the same way.
        x = said + 0.5 * (np.arange(len(said)) * 0.618 % 1 - 0.5)
        within = lambda values: np.clip(values, 0.6, 5.4)
        feed(self.earlier, x, within(earlier))
        feed(self.later, x, within(later))
        ends = np.stack([within(earlier), within(later), np.full(len(x), np.nan)], 1)
        feed(self.moved, np.repeat(x, 3), ends.ravel())
        self.over_time.draw(errors)
        self.over_time.mark(errors, at)
        unknown = not np.isfinite(errors[BEFORE]).any()
        self.unknown.set_text("of your ratings none are held out" if unknown else "")

    def show_item(self, item: int) -> None:
        """Frame the item that is chosen."""
        for line in self.chosen:
            feed(line, *_squares(np.array([item]), 0.52))

    def show_everyone(self, everyone: Everyone | None, at: int) -> None:
        """The mean error of all held-out users, with its interval; none for `None`."""
        if everyone is None:
            self.key.set_text("")
            for line in (self.all, self.ends):
                feed(line, [], [])
            return
        mean, ci = everyone.mean, everyone.ci95
        feed(self.all, TIMES, mean)
        gap = [np.nan]
        both = np.concatenate([TIMES, gap, TIMES]), np.concatenate([mean - ci, gap, mean + ci])
        feed(self.ends, *both)
        self.key.set_text(
            "all 100 held-out users:\n"
            f"  adapted {mean[at]:.3f} ± {ci[at]:.3f}\n"
            f"  not adapted {everyone.before[0]:.3f} ± {everyone.before[1]:.3f}\n"
            f"  items' means {everyone.items[0]:.3f} ± {everyone.items[1]:.3f}"
        )

    def write(self, text: str) -> None:
        """The readout."""
        self.readout.set_text(text)


def _squares(items: np.ndarray, half: float) -> np.ndarray:
    """The outlines of items on the map, as one line."""
    corners = np.stack([items % SIDE, items // SIDE], 1)[:, None] + half * _SQUARE[None]
    return corners.reshape(-1, 2).T
