"""An episode's images, and the probabilities a learner gives them: the figure of FewShotLab."""

from typing import Any, final

import numpy as np

from ..studies.lab import QUERIES, SIDE, TIMES, WAYS, Answers
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
)  # fmt: skip

CLASSES = (BLUE, ORANGE, GREEN, PURPLE, SKY)
_CELL, _BAR = 34, 4  # pixels of an image with its margin, and of the bar beneath it
_MOST = 5  # support images of a class that are shown
_NAMES = "ABCDE"


@final
class LabFigure:
    """Feed it with `show_images`, `show` and `write`."""

    def __init__(self) -> None:
        """Make everything once."""
        self.figure = new_figure(9.8, 5.2, foot=0.06)
        grid = self.figure.add_gridspec(2, 3, width_ratios=[1, 1, 1.05])
        self.support = self._mosaic(grid[:, 0], "support set: labelled")
        self.query = self._mosaic(grid[:, 1], "queries: bars are probabilities")
        self._make_course(grid[0, 2])
        self._make_confusion(grid[1, 2])
        self._make_bars()
        self.readout = new_readout(self.curves, 0.015)
        self.set_theme(False)
        settle(self.figure)

    # ------------------------------------------------------------------ artists, made once
    def _mosaic(self, place: Any, title: str) -> Any:
        axes = self.figure.add_subplot(place)
        axes.set_title(title, fontsize=10, loc="left")
        shape = (WAYS * (_CELL + _BAR), _MOST * _CELL)
        image = axes.imshow(np.zeros(shape), cmap="gray_r", vmin=0, vmax=1, interpolation="none")
        axes.set(xticks=[], yticks=[])
        for side in ("top", "right", "bottom", "left"):
            axes.spines[side].set_visible(False)
        for row, (colour, name) in enumerate(zip(CLASSES, _NAMES, strict=True)):
            at = (-2, row * (_CELL + _BAR) + _CELL / 2)
            axes.text(*at, name, color=colour, weight="bold", ha="right", va="center")
        return image

    def _make_course(self, place: Any) -> None:
        axes = self.curves = self.figure.add_subplot(place)
        label_axes(axes, " ", "T (time, log)", "probability")
        axes.set(xscale="log", xlim=(TIMES[0], TIMES[-1]), ylim=(0, 1.02))
        axes.grid(True, lw=0.6)
        self.lines = [axes.plot([], [], color=c, lw=2)[0] for c in CLASSES]
        (self.now,) = axes.plot([], [], lw=1)
        (self.own,) = axes.plot([], [], lw=1, ls=":")
        self.heading = axes.text(0, 1.03, "", transform=axes.transAxes, fontsize=10)
        animate(*self.lines, self.now, self.own, self.heading)

    def _make_confusion(self, place: Any) -> None:
        axes = self.confusion = self.figure.add_subplot(place)
        label_axes(axes, "confusion: true ↓, said →", "", "")
        axes.set(xlim=(-0.5, WAYS - 0.5), ylim=(WAYS - 0.5, -0.5))
        axes.set_xticks(range(WAYS), _NAMES)
        axes.set_yticks(range(WAYS), _NAMES)
        axes.set_aspect("equal")
        grid = [(row, column) for row in range(WAYS) for column in range(WAYS)]
        self.boxes = [
            axes.barh(r, 0.9, left=c - 0.45, height=0.9, color=CLASSES[r], alpha=0.0)[0]
            for r, c in grid
        ]
        self.counts = [axes.text(c, r, "", ha="center", va="center", fontsize=9) for r, c in grid]
        animate(*self.boxes, *self.counts)

    def _make_bars(self) -> None:
        axes = self.query.axes
        extent = (-0.5, _MOST * _CELL - 0.5, WAYS * (_CELL + _BAR) - 0.5, -0.5)
        self.bars = axes.imshow(
            np.zeros((WAYS * (_CELL + _BAR), _MOST * _CELL, 4)), extent=extent, interpolation="none"
        )
        corner = [np.nan, np.nan]
        square = np.array([[0, 0], [29, 0], [29, 29], [0, 29], [0, 0], corner]) + 1.5
        rows, columns = np.divmod(np.arange(WAYS * QUERIES), QUERIES)
        starts = np.stack([columns * _CELL, rows * (_CELL + _BAR)], axis=1)
        self.frames = starts[:, None] + square[None]
        (self.wrong,) = axes.plot([], [], color=VERMILLION, lw=2)
        (self.chosen,) = axes.plot([], [], lw=2, ls=":")
        animate(self.bars, self.wrong, self.chosen)

    def set_theme(self, dark: bool) -> None:
        """Light or dark."""
        ink = (self.readout, self.heading, *self.counts, self.chosen)
        apply_theme(self.figure, dark, (self.now, self.own), ink)
        for image in (self.support, self.query):
            image.set_cmap("gray" if dark else "gray_r")

    # ------------------------------------------------------------------ feeding
    def show_images(self, support: np.ndarray, query: np.ndarray) -> None:
        """Lay out images, ordered by class; a single query stands alone."""
        self.support.set_data(_tiled(support, WAYS))
        self.query.set_data(_tiled(query, WAYS if len(query) > 1 else 1))

    def clear(self) -> None:
        """Nothing is said yet."""
        self.bars.set_data(np.zeros((WAYS * (_CELL + _BAR), _MOST * _CELL, 4)))
        for line in (self.wrong, self.chosen, self.now, self.own, *self.lines):
            feed(line, [], [])
        self.heading.set_text("")
        self._show_confusion(None)
        self.write("")

    def show(self, answers: Answers, at: int, query: int) -> None:
        """Draw what is said at a time, and the course of one query's probabilities."""
        said = np.asarray(answers.probabilities[at])
        self.bars.set_data(_stacked(said))
        known = len(said) == WAYS * QUERIES
        truth = np.repeat(np.arange(WAYS), QUERIES) if known else None
        guess = said.argmax(axis=1)
        wrong = np.flatnonzero(guess != truth) if known else []
        feed(self.wrong, *self.frames[wrong].reshape(-1, 2).T)
        feed(self.chosen, *self.frames[query].T)
        courses = np.asarray(answers.probabilities)[:, query].T
        for line, course in zip(self.lines, courses, strict=True):
            feed(line, TIMES, course)
        feed(self.now, [TIMES[at]] * 2, [0, 1])
        feed(self.own, [float(answers.T)] * 2, [0, 1])
        which = "dotted query" if known else "your query"
        best = _NAMES[int(guess[query])]
        self.heading.set_text(f"{which}: {best}, {said[query].max():.0%}")
        self._show_confusion(guess if known else None)

    def _show_confusion(self, guess: np.ndarray | None) -> None:
        table = np.zeros((WAYS, WAYS), int)
        if guess is not None:
            np.add.at(table, (np.repeat(np.arange(WAYS), QUERIES), guess), 1)
        for count, box, text in zip(table.ravel(), self.boxes, self.counts, strict=True):
            box.set_alpha(0.85 * count / QUERIES)
            text.set_text(str(count) if count else "")

    def write(self, text: str) -> None:
        """The readout."""
        self.readout.set_text(text)


def _tiled(images: np.ndarray, rows: int) -> np.ndarray:
    """A page of images, a row a class, room beneath each for a bar."""
    page = np.zeros((WAYS, _CELL + _BAR, _MOST, _CELL))
    each = len(images) // rows
    for row in range(rows):
        for column in range(min(each, _MOST)):
            image = images[row * each + column, ..., 0]
            page[row, 3 : 3 + SIDE, column, 3 : 3 + SIDE] = image
    return page.reshape(WAYS * (_CELL + _BAR), _MOST * _CELL)


def _stacked(said: np.ndarray) -> np.ndarray:
    """Beneath each query a bar divided among the classes, as RGBA; clear elsewhere."""
    page = np.zeros((WAYS, _CELL + _BAR, QUERIES, _CELL, 4))
    width = _CELL - 5
    ends = np.rint(np.cumsum(said, axis=1) * width).astype(int)
    which = (np.arange(width)[None, :, None] >= ends[:, None, :]).sum(-1).clip(max=WAYS - 1)
    table = np.array([[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] + [1.0] for c in CLASSES])
    for number, colours in enumerate(table[which]):
        row, column = divmod(number, QUERIES)
        page[row, _CELL - 1 : _CELL + _BAR - 1, column, 2 : 2 + width] = colours[None]
    return page.reshape(WAYS * (_CELL + _BAR), QUERIES * _CELL, 4)
