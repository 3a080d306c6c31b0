"""A plane with every optimizer's path, and what meta-training does: InnerOptimizerLab."""

from typing import Any, final

import numpy as np

from ..studies.inner_optimizers import HIGH, LOW, META_STEPS, OPTIMIZERS, POINTS, Record
from .contours import level_lines
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

_COLOURS = dict(zip(OPTIMIZERS, (ORANGE, SKY, PURPLE, BLUE, GREEN), strict=True))
_FAR = 100.0  # how far off the plane a point is still drawn
_LEAST, _MOST = 1e-3, 1e2  # of the query losses that are shown
_GRID = tuple(np.linspace(LOW[i], HIGH[i], POINTS) for i in range(2))
_META = np.arange(META_STEPS + 1)
_PARAMETERS = ("w₁", "w₂")


@final
class InnerOptimizersFigure:
    """Feed it with `show` and `write`."""

    def __init__(self) -> None:
        """Make everything once."""
        self.figure = new_figure(9.8, 5.8, foot=0.05)
        grid = self.figure.add_gridspec(3, 2, width_ratios=(1.25, 1), height_ratios=(1.3, 1, 1))
        self.plane = self.figure.add_subplot(grid[:, 0])
        self.loss, self.rates, self.betas = (self.figure.add_subplot(grid[i, 1]) for i in range(3))
        self._make_plane()
        self._make_meta_training()
        self.readout = new_readout(self.plane)
        self.set_theme(False)
        settle(self.figure)

    def _make_plane(self) -> None:
        axes = self.plane
        label_axes(axes, " ", "weight w₁", "weight w₂")
        axes.set(xlim=(LOW[0], HIGH[0]), ylim=(LOW[1], HIGH[1]))
        plot = axes.plot
        (self.levels,) = plot([], [], lw=0.8, alpha=0.55)
        self.fixed = {name: plot([], [], color=c, lw=1.2, marker=".", ms=4)[0]
                      for name, c in _COLOURS.items()}  # fmt: skip
        (self.least,) = plot([], [], marker="x", ms=9, mew=2, ls="")
        (self.learned,) = plot([], [], color=VERMILLION, lw=2.6, marker="o", ms=5)
        (self.end,) = plot([], [], color=VERMILLION, marker="s", ms=9, ls="")
        animate(*axes.lines)
        self.names: list[Any] = [
            axes.text(x, 1.015, name, color=c, fontsize=9, weight="bold", transform=axes.transAxes)
            for x, (name, c) in zip((0, 0.11, 0.315, 0.44, 0.61), _COLOURS.items(), strict=True)
        ]
        axes.text(0.785, 1.015, "■ learned", color=VERMILLION, fontsize=9, weight="bold",
                  transform=axes.transAxes)  # fmt: skip

    def _make_meta_training(self) -> None:
        label_axes(self.loss, "mean query loss (log)", "", "")
        label_axes(self.rates, "learning rate (log)", "", "")
        label_axes(self.betas, "betas, momentum, decay", "meta-step", "")
        limits: list[Any] = [(0.002, 50), (3e-3, 60), (-0.05, 1.05)]
        self.now = []
        for axes, low_high in zip((self.loss, self.rates, self.betas), limits, strict=True):
            axes.set(xlim=(0, META_STEPS + 6), ylim=low_high)
            if axes is not self.betas:
                axes.set_yscale("log")
            axes.grid(True, lw=0.6)
            self.now.append(axes.plot([], [], lw=1, ls=":")[0])
        self.levels_of = {name: self.loss.plot([], [], color=c, lw=1.1, ls="--")[0]
                          for name, c in _COLOURS.items()}  # fmt: skip
        (self.seen,) = self.loss.plot([], [], color=VERMILLION, lw=1)
        (self.course,) = self.loss.plot([], [], color=VERMILLION, lw=2.4)
        (self.here,) = self.loss.plot([], [], color=VERMILLION, marker="s", ms=8, ls="")
        (self.rate_lines,) = self.rates.plot([], [], color=VERMILLION, lw=1.6)
        self.beta_lines = [self.betas.plot([], [], lw=1.6, ls=ls, color=VERMILLION)[0]
                           for ls in ("-", "--")]  # fmt: skip
        place: dict[str, Any] = dict(fontsize=8, va="center")
        self.groups = [self.rates.text(0, 0, "", **place) for _ in _PARAMETERS]
        self.beta_names = [self.betas.text(0.02, y, "", transform=self.betas.transAxes, fontsize=8)
                           for y in (0.22, 0.06)]  # fmt: skip
        note = (
            "dashed: fixed knobs, unseen tasks\nthick: learned, unseen tasks\n"
            "thin: the tasks learned from"
        )
        place = dict(transform=self.loss.transAxes, ha="right", va="top", fontsize=8)
        self.notes = [self.loss.text(0.98, 0.97, note, **place)]
        moving = (
            *self.levels_of.values(),
            self.seen,
            self.course,
            self.here,
            self.rate_lines,
            *self.now,
        )
        animate(*moving, *self.beta_lines, *self.groups, *self.beta_names)

    def set_theme(self, dark: bool) -> None:
        """Light or dark."""
        ink = (self.readout, self.least, *self.notes, *self.groups, *self.beta_names)
        apply_theme(self.figure, dark, (self.levels, *self.now), ink)

    def show(self, record: Record, settings: dict[str, Any], meta_step: int) -> None:
        """Draw the plane at a meta-step, and the courses; `settings` are those of the study."""
        feed(self.levels, *level_lines(_GRID[0], _GRID[1], record.surface).T)
        row, column = np.unravel_index(np.argmin(record.surface), record.surface.shape)
        feed(self.least, [_GRID[0][column]], [_GRID[1][row]])
        for name, path, level in zip(
            OPTIMIZERS, record.fixed_paths, record.fixed_losses, strict=True
        ):
            feed(self.fixed[name], *_near(path))
            self.fixed[name].set_linewidth(2.2 if name == settings["optimizer"] else 1.2)
            feed(self.levels_of[name], [0, META_STEPS], _shown(np.full(2, level)))
        path = _near(record.paths[meta_step])
        feed(self.learned, *path)
        feed(self.end, *path[:, -1:])
        feed(self.course, _META, _shown(record.losses))
        feed(self.seen, _META, _shown(record.seen_losses))
        feed(self.here, [meta_step], _shown(record.losses[meta_step : meta_step + 1]))
        for line in self.now:
            feed(line, [meta_step, meta_step], [1e-9, 1e9])
        self._show_knobs(record, settings["one_for"] == "each parameter")

    def _show_knobs(self, record: Record, per_parameter: bool) -> None:
        rates = record.rates
        feed(self.rate_lines, *_joined(rates))
        for text, name, end in zip(
            self.groups, _PARAMETERS, np.resize(_apart(rates[-1]), 2), strict=True
        ):
            text.set_text(name if per_parameter else "")
            text.set_position((META_STEPS + 1, end))
        shown = [*record.betas.items(), *[("", np.empty((0, 0)))] * 2]
        for line, text, mark, (name, values) in zip(
            self.beta_lines, self.beta_names, ("—", "- -"), shown, strict=False
        ):
            feed(line, *_joined(values))
            text.set_text(f"{mark} {name}" if name else "")
        if not record.betas:
            self.beta_names[0].set_text("this optimizer has none")

    def write(self, text: str) -> None:
        """The readout."""
        self.readout.set_text(text)


def _near(path: np.ndarray) -> np.ndarray:
    """A path by its two coordinates; what has left the plane far behind stays near it."""
    return np.clip(np.nan_to_num(path, nan=_FAR), -_FAR, _FAR).T


def _apart(ends: np.ndarray) -> np.ndarray:
    """Where to write beside two ends on a logarithmic axis: far enough apart to be read."""
    middle, half = np.mean(np.log10(ends)), np.ptp(np.log10(ends)) / 2
    return 10 ** (middle + np.where(ends == np.max(ends), 1, -1) * max(half, 0.35))


def _shown(losses: np.ndarray) -> np.ndarray:
    return np.clip(np.nan_to_num(losses, nan=_MOST), _LEAST, _MOST)


def _joined(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A line a group, over the meta-steps, in one."""
    gap = np.full((1, values.shape[1]), np.nan)
    y = np.concatenate([values, gap]).T.ravel()
    x = np.tile(np.append(_META[: len(values)], np.nan), values.shape[1])
    return x, y
