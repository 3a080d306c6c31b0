"""Accuracy over meta-training, one task, and the learned update: the figure of MetaOptimizerLab."""

from typing import final

import numpy as np
from matplotlib.patches import Rectangle

from ..studies.meta_optimizers import CURVATURE, META_STEPS, MODELS, STOPS, Record
from .style import (
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    SKY,
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

# Meta-Curvature takes the ink of the theme, dashed: with one step it lies on KLin.
COLOURS: dict[str, str | None] = dict(
    zip(MODELS, (ORANGE, SKY, GREEN, None, BLUE, PURPLE, VERMILLION), strict=True)
)
_LIMIT = 4.0  # of the plane
_SLOTS, _CELL = 3, 0.9  # matrices on show, and the side of one of their numbers
_CIRCLE = np.stack([f(np.linspace(0, 2 * np.pi, 73)) for f in (np.cos, np.sin)])


@final
class MetaOptimizersFigure:
    """Feed it with `show_courses`, `show_task`, `show_update`, `show_matrices` and `write`."""

    def __init__(self) -> None:
        """Make everything once."""
        self.figure = new_figure(9.8, 6.4, foot=0.07)
        (self.courses, self.plane), (self.matrices, self.arrows) = self.figure.subplots(
            2, 2, width_ratios=(1.7, 1)
        )
        self._make_courses()
        self._make_plane()
        self._make_arrows()
        self._make_matrices()
        self.readout = new_readout(self.courses, 0.014)
        self._ink = ""
        self.set_theme(False)
        settle(self.figure)

    def _make_courses(self) -> None:
        axes = self.courses
        label_axes(axes, "accuracy after adaptation, on tasks not seen before", "meta-step", "")
        axes.set(xlim=(0, META_STEPS + 62), ylim=(0.42, 1.01), xticks=range(0, META_STEPS + 1, 50))
        axes.grid(True, lw=0.6)
        self.lines, self.here = {}, axes.plot([], [], marker="o", ms=9)[0]
        for row, (name, colour) in enumerate(COLOURS.items()):
            dashed = {"ls": (0, (3, 2)), "zorder": 3} if name == CURVATURE else {}
            (self.lines[name],) = axes.plot([], [], color=colour, lw=1.4, **dashed)
            axes.text(0.99, 0.9 - 0.075 * row, name, color=colour, fontsize=9, ha="right",
                      transform=axes.transAxes)  # fmt: skip
        animate(*self.lines.values(), self.here)

    def _make_plane(self) -> None:
        axes = self.plane
        label_axes(axes, "a new task, and its boundaries", "", "")
        axes.set(xlim=(-_LIMIT, _LIMIT), ylim=(-_LIMIT, _LIMIT), aspect="equal")
        self.points = [
            axes.plot([], [], ls="", marker=m, ms=6, mew=1.3, mfc="none")[0] for m in ("o", "x")
        ]
        (self.right,) = axes.plot([], [], lw=1.2, ls=":")
        (self.before,) = axes.plot([], [], lw=1.4, ls="--")
        (self.after,) = axes.plot([], [], lw=2.5)
        axes.text(0.5, -0.13, "··· right    – – before    — after", fontsize=9, ha="center",
                  va="top", transform=axes.transAxes)  # fmt: skip
        animate(*self.points, self.right, self.before, self.after)

    def _make_arrows(self) -> None:
        axes = self.arrows
        label_axes(axes, "where the first step goes", "", "")
        axes.set(xlim=(-1.25, 1.25), ylim=(-1.25, 1.25), aspect="equal", xticks=[], yticks=[])
        (self.normal,) = axes.plot([], [], lw=1.2, ls=":")
        (self.image,) = axes.plot([], [], lw=1.0)
        (self.raw,) = axes.plot([], [], lw=1.6)
        (self.learned,) = axes.plot([], [], lw=2.5)
        key = "··· right    thin: −gradient    thick: −update\nclosed: a circle, mapped"
        axes.text(0.5, -0.04, key, fontsize=9, ha="center", va="top", transform=axes.transAxes)
        animate(self.normal, self.image, self.raw, self.learned)

    def _make_matrices(self) -> None:
        axes = self.matrices
        label_axes(
            axes, "the map from gradient to update, and what it is made of (grey: negative)", "", ""
        )
        axes.set(xlim=(-0.2, 8.2), ylim=(-0.9, 2.6), aspect="equal", xticks=[], yticks=[])
        axes.spines[["left", "bottom"]].set_visible(False)
        self.cells, self.numbers, self.names = [], [], []
        for slot in range(_SLOTS):
            self.names.append(axes.text(3 * slot + 0.9, 2.05, "", fontsize=9, ha="center"))
            for i, j in np.ndindex(2, 2):
                corner = 3 * slot + _CELL * j, _CELL * (1 - i)
                cell = Rectangle(corner, _CELL, _CELL, lw=0)
                self.cells.append(axes.add_patch(cell))
                x, y = (c + _CELL / 2 for c in corner)
                self.numbers.append(axes.text(x, y, "", fontsize=9, ha="center", va="center"))
        animate(*self.cells, *self.names, *self.numbers)

    def set_theme(self, dark: bool) -> None:
        """Light or dark."""
        shown = (self.here, self.after, self.learned, self.image)  # perhaps of who has the ink
        ink = [artist for artist in shown if artist.get_color() == self._ink]
        ink += [self.right, self.normal, self.raw, self.lines[CURVATURE], *self.points]
        texts = [text for axes in self.figure.axes for text in axes.texts]
        ink += [text for text in texts if text.get_color() not in COLOURS.values()]
        apply_theme(self.figure, dark, (self.before,), ink)
        self._ink = colours_of(dark)["ink"]

    def _colour(self, model: str) -> str:
        return COLOURS[model] or self._ink

    def show_courses(self, accuracy: dict[str, np.ndarray], model: str, meta_step: int) -> None:
        """The accuracy of each model at each stop; the dot is on `model` at `meta_step`."""
        for name, line in self.lines.items():
            line.set_linewidth(3 if name == model else 1.2)
            feed(line, STOPS, accuracy[name])
        self.here.set_color(self._colour(model))
        feed(self.here, [meta_step], [accuracy[model][STOPS.index(meta_step)]])

    def show_task(self, record: Record, model: str) -> None:
        """The points that it adapts to, and the boundaries."""
        for line, there in zip(
            self.points, (record.positive > 0, record.positive == 0), strict=True
        ):
            feed(line, *record.points[there].T)
        weights = np.asarray(record.look.weights)
        self.after.set_color(self._colour(model))
        for line, weight in (
            (self.right, record.normal), (self.before, weights[0]), (self.after, weights[-1]),
        ):  # fmt: skip
            direction = _unit(np.array([-weight[1], weight[0]]))
            feed(line, *np.outer(direction, (-2 * _LIMIT, 2 * _LIMIT)))

    def show_update(self, record: Record, model: str) -> None:
        """The gradient and the update as directions, and the image of a circle."""
        look = record.look
        for artist in (self.learned, self.image):
            artist.set_color(self._colour(model))
        feed(self.normal, *np.outer(record.normal, (0, 1.2)))
        feed(self.raw, *_arrow(-np.asarray(look.gradient)))
        feed(self.learned, *_arrow(-np.asarray(look.update)))
        A = np.asarray(look.A)
        size = np.linalg.norm(A, 2) if np.all(np.isfinite(A)) else np.nan
        feed(self.image, *(A @ _CIRCLE / size if size > 0 else np.empty((2, 0))))

    def show_matrices(self, matrices: dict[str, np.ndarray], model: str) -> None:
        """Up to three matrices by name, of at most two rows and columns; the darker, the larger."""
        self._blank()
        for slot, (name, matrix) in enumerate(matrices.items()):
            largest = np.max(np.abs(matrix), initial=0)
            self.names[slot].set_text(name)
            for i, j in np.ndindex(*matrix.shape):
                place = 4 * slot + 2 * i + j
                share = abs(matrix[i, j]) / largest if largest > 0 else 0
                share = share if np.isfinite(share) else 0
                colour = self._colour(model) if matrix[i, j] >= 0 else colours_of(False)["faint"]
                self.cells[place].set(facecolor=colour, alpha=0.08 + 0.5 * share)
                self.numbers[place].set_text(f"{matrix[i, j]:.3g}")

    def _blank(self) -> None:
        for cell in self.cells:
            cell.set_alpha(0)
        for text in (*self.names, *self.numbers):
            text.set_text("")

    def write(self, text: str) -> None:
        """The readout."""
        self.readout.set_text(text)


def _unit(vector: np.ndarray) -> np.ndarray:
    """Of length 1, where it is finite and not zero; else nowhere."""
    length = np.linalg.norm(vector)
    return vector / length if length > 0 and np.isfinite(length) else np.full(2, np.nan)


def _arrow(vector: np.ndarray) -> np.ndarray:
    """A line of length 1 in the vector's direction, with a head."""
    tip = _unit(vector)
    side = np.array([-tip[1], tip[0]])
    left, right = 0.86 * tip + 0.07 * side, 0.86 * tip - 0.07 * side
    return np.stack([0 * tip, tip, left, tip, right], axis=1)
