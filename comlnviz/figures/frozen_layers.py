"""How far layers move, accuracy by steps, and the points of Figure 2: the figure of FreezeLab."""

from collections.abc import Mapping
from typing import Any, final

import numpy as np
from matplotlib.patches import Rectangle

from ..studies.frozen_layers import LAYERS, NOISE, STEPS, WAYS, Record
from .style import (
    BLUE,
    ORANGE,
    VERMILLION,
    animate,
    apply_theme,
    feed,
    label_axes,
    new_figure,
    new_readout,
    settle,
)

_STEP = np.arange(STEPS + 1)
_LEAST, _MOST = 1e-3, 10.0  # of the movement that is shown
_X = np.arange(len(LAYERS))


@final
class FrozenLayersFigure:
    """Feed it with `show_layers`, `show_course`, `show_points` and `write`."""

    def __init__(self) -> None:
        """Make everything once."""
        self.figure = new_figure(9.8, 5.8, foot=0.075)
        (self.layers, self.course), (self.single, self.noise) = self.figure.subplots(
            2, 2, width_ratios=(1.2, 1)
        )
        self._make_layers()
        self._make_course()
        self._make_points()
        self.readout = new_readout(self.layers)
        self.set_theme(False)
        settle(self.figure)

    def _make_layers(self) -> None:
        axes = self.layers
        label_axes(axes, "how far each layer moves, relative to its size (log)", "", "")
        axes.set(xlim=(-0.6, len(LAYERS) - 0.4), ylim=(_LEAST, _MOST), yscale="log")
        axes.set_xticks(_X, LAYERS)
        axes.grid(True, axis="y", lw=0.6)
        self.bars = [
            axes.add_patch(Rectangle((x - 0.3, _LEAST), 0.6, 0, color=VERMILLION)) for x in _X
        ]
        self.frozen = [
            axes.text(x, 1.5 * _LEAST, "", fontsize=9, ha="center", va="bottom") for x in _X
        ]
        animate(*self.bars, *self.frozen)

    def _make_course(self) -> None:
        axes = self.course
        label_axes(axes, "accuracy on new tasks", "gradient steps within the task", "")
        axes.set(xlim=(-0.1, STEPS + 0.1), ylim=(0, 1.02), xticks=_STEP)
        axes.grid(True, lw=0.6)
        (self.plain,) = axes.plot([], [], lw=1.4, ls="--")
        (self.now,) = axes.plot([], [], color=VERMILLION, lw=3, marker="o", ms=6)
        axes.text(0.97, 0.36, "thick: as it is now", color=VERMILLION, fontsize=9, ha="right",
                  transform=axes.transAxes)  # fmt: skip
        self.notes = [
            axes.text(0.97, 0.34, "dashed: nothing frozen, no noise\ndotted: chance", va="top",
                      ha="right", fontsize=9, transform=axes.transAxes)
        ]  # fmt: skip
        animate(self.plain, self.now)

    def _make_points(self) -> None:
        one, many = self.single, self.noise
        label_axes(one, "your points: one layer", "", f"accuracy after {STEPS} steps")
        one.set(xlim=(-0.6, len(LAYERS) - 0.4), ylim=(0, 1.02))
        one.set_xticks(_X, LAYERS)
        label_axes(many, "your points: C1 to C3 frozen, noise on FC", "noise", "")
        many.set(xlim=(-0.5, len(NOISE) - 0.5), ylim=(0, 1.02))
        many.set_xticks(range(len(NOISE)), [f"{noise:g}" for noise in NOISE])
        chance = [axes.axhline(1 / WAYS, lw=1, ls=":") for axes in (one, many, self.course)]
        for axes in (one, many):
            axes.grid(True, axis="y", lw=0.6)
        style: dict[str, Any] = dict(ls="", ms=9)
        (self.freezing,) = one.plot([], [], color=ORANGE, marker="o", **style)
        (self.adapting,) = one.plot([], [], color=BLUE, marker="s", mfc="none", mew=2, **style)
        (self.noisy,) = many.plot([], [], color=ORANGE, marker="o", lw=1.4, ms=7)
        self.levels = [axes.plot([], [], lw=1.4, ls="--")[0] for axes in (one, many)]
        place: dict[str, Any] = dict(transform=one.transAxes, fontsize=9)
        one.text(0.02, 0.36, "● freezing only this", color=ORANGE, **place)
        one.text(0.02, 0.26, "□ adapting only this", color=BLUE, **place)
        self.faint = chance
        animate(self.freezing, self.adapting, self.noisy, *self.levels)

    def set_theme(self, dark: bool) -> None:
        """Light or dark."""
        ink = (self.plain, *self.levels, *self.frozen, *self.notes, self.readout)
        apply_theme(self.figure, dark, self.faint, ink)

    def show_layers(self, record: Record, frozen: tuple[str, ...]) -> None:
        """How far each layer has moved; those that were held say so."""
        moved = np.nan_to_num(record.moved, nan=_MOST, posinf=_MOST).clip(_LEAST, _MOST)
        for bar, text, layer, far in zip(self.bars, self.frozen, LAYERS, moved, strict=True):
            held = layer in frozen
            bar.set_height(0 if held else far - _LEAST)
            text.set_text("frozen" if held else "")

    def show_course(self, record: Record, plain: Record) -> None:
        """The accuracy at each step, as it is now and with nothing frozen."""
        feed(self.now, _STEP, record.accuracy)
        feed(self.plain, _STEP, plain.accuracy)
        for line, end in zip(self.levels, (len(LAYERS), len(NOISE)), strict=True):
            feed(line, [-1, end], [plain.accuracy[-1]] * 2)

    def show_points(
        self,
        freezing: Mapping[str, float],
        adapting: Mapping[str, float],
        noisy: Mapping[float, float],
    ) -> None:
        """What has been tried: by layer, and by noise."""
        for line, found in ((self.freezing, freezing), (self.adapting, adapting)):
            feed(line, _X, [found.get(layer, np.nan) for layer in LAYERS])
        places = [i for i, noise in enumerate(NOISE) if noise in noisy]
        feed(self.noisy, places, [noisy[NOISE[i]] for i in places])

    def write(self, text: str) -> None:
        """The readout."""
        self.readout.set_text(text)
