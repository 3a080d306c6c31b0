"""What every figure on a landscape has: the plane with its level sets, and two panels beside it."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from .contours import level_lines
from .style import COLOURS, animate, feed, label_axes, new_figure, settle

_ROWS, _COLUMNS = (0.047, 0.012), (0.012, 0.165, 0.335, 0.49)  # of the readout, in the figure


class AbstractLandscapeFigure(ABC):
    """A plane on the left, two panels on the right, a line of text beneath."""

    def __init__(self, upper_height: float) -> None:
        """Make everything once; `upper_height` is the upper right panel's, the lower's being 1."""
        self.figure = new_figure(9.8, 5.4, foot=0.085)
        grid = self.figure.add_gridspec(
            2, 2, width_ratios=[1.25, 1], height_ratios=[upper_height, 1]
        )
        self.plane = self.figure.add_subplot(grid[:, 0])
        self._make_plane()
        self._make_panels(grid[0, 1], grid[1, 1])
        self.set_theme(False)
        settle(self.figure)

    @abstractmethod
    def _make_paths(self) -> None:
        """The artists that move in the plane."""

    @abstractmethod
    def _make_panels(self, upper: Any, lower: Any) -> None:
        """The panels at the right, in these cells of the grid."""

    @abstractmethod
    def set_theme(self, dark: bool) -> None:
        """Light or dark."""

    def _make_plane(self) -> None:
        axes = self.plane
        label_axes(axes, " ", " ", " ")  # room for labels that come with the landscape
        (self.levels,) = axes.plot([], [], lw=0.8, alpha=0.55)
        self._make_paths()
        (self.start,) = axes.plot([], [], marker="o", ms=10, mfc="none", mew=2, ls="")
        # Texts of the axes, since a figure's own animated texts are not saved. Many short ones:
        # what does not change costs nothing, and numbers do not push each other about.
        place: dict[str, Any] = dict(transform=self.figure.transFigure, fontsize=9)
        self.readout = [axes.text(x, y, "", **place) for y in _ROWS for x in _COLUMNS]
        for text in self.readout:
            text.set_in_layout(False)
        animate(*axes.lines, *self.readout)

    def write(self, *rows: tuple[str, ...]) -> None:
        """Fill the readout beneath the plane: two rows of up to four fields."""
        fields = [field for row in rows for field in (*row, "", "", "", "")[: len(_COLUMNS)]]
        for text, field in zip(self.readout, fields, strict=True):
            text.set_text(field)

    def _write_key(self, *entries: tuple[float, str, str]) -> None:
        """Name the paths above the plane: (place, text, method)."""
        for x, text, method in entries:
            above: dict[str, Any] = dict(transform=self.plane.transAxes, fontsize=10, weight="bold")
            self.plane.text(x, 1.015, text, color=COLOURS[method], **above)

    def frame(self, low: np.ndarray, high: np.ndarray) -> tuple[tuple, tuple]:
        """Set limits that show both corners, one unit as long in x as in y; returns the limits.

        Done by hand: matplotlib's equal aspect would change them while drawing.
        """
        axes = self.plane
        box = axes.get_window_extent()
        centre, half = (low + high) / 2, (high - low) / 2
        unit = max(half[0] / box.width, half[1] / box.height)
        reach = unit * np.array([box.width, box.height])
        (x0, y0), (x1, y1) = centre - reach, centre + reach
        if axes.get_xlim() != (x0, x1) or axes.get_ylim() != (y0, y1):
            axes.set(xlim=(x0, x1), ylim=(y0, y1))
        return (x0, x1), (y0, y1)

    def show_landscape(self, x: np.ndarray, y: np.ndarray, z: np.ndarray, names: tuple) -> None:
        """Draw the level sets; `names` are the axis labels."""
        feed(self.levels, *level_lines(x, y, z).T)
        if (self.plane.get_xlabel(), self.plane.get_ylabel()) != names:
            self.plane.set(xlabel=names[0], ylabel=names[1])
