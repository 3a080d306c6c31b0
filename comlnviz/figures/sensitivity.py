"""COMLN's sensitivities as heatmaps, the Jacobian they make, and how much each way keeps."""

from typing import Any, cast, final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.text import Text

from ..studies.sensitivity import SHOTS, SIZE, WAYS, Record
from .style import COLOURS, animate, apply_theme, label_axes, new_figure, new_readout, settle, theme

_M, _N = WAYS * SHOTS, WAYS
_ROWS = ("dW/dW₀ and dW/dφ, plainly", "1,000 steps, unrolled", "z", "B", "Gram route", "s")
_PAINTS = ("backward", "descent", *["ForwardSensitivity"] * 2, "GramAdjoint", "flow")
_LOW, _HIGH = 1.0, 1e18  # numbers kept, with room for their names
_DECADES = {"z": 6.0}  # that the colours span, three elsewhere; z grows with the square of t
_DIVERGING = {False: "RdBu_r", True: "berlin"}


@final
class SensitivityFigure:
    """The figure of SensitivityExplorer. Feed it with `show` and `show_sizes`."""

    def __init__(self) -> None:
        """Make everything once."""
        self.figure = new_figure(9.8, 6.0, foot=0.05)
        self.largest: list[Text] = []
        upper, lower = cast(np.ndarray, self.figure.subfigures(2, 1, height_ratios=[1, 1]))
        places = upper.subplots(1, 3, width_ratios=[0.6, 1, 1.7])
        self.heat = {
            "s": self._heatmap(places[0], "s", (_M, _N), 1),
            "B": self._heatmap(places[1], "B: of sᵢ to the logits of j", (_M * _N, _M * _N), _N),
            "z": self._heatmap(
                places[2], "z: of sᵢ to the product φⱼ·φₘ", (_M * _N, _M * _M), _N, _M
            ),
        }
        bars, *squares = np.ravel(lower.subplots(1, 3, width_ratios=[1.25, 1, 1]))
        entries = WAYS * SIZE
        self.heat |= {
            "jacobian": self._heatmap(squares[0], "dW/dW₀ put together", (entries, entries), SIZE),
            "reference": self._heatmap(squares[1], "dW/dW₀ by autodiff", (entries, entries), SIZE),
        }
        self._make_bars(bars)
        self.readout = new_readout(bars)
        self.set_theme(False)
        settle(self.figure)

    def _heatmap(
        self, axes: Axes, title: str, shape: tuple[int, int], block: int, across: int | None = None
    ) -> AxesImage:
        label_axes(axes, title, "", "")
        rows, columns = shape
        image = axes.imshow(
            np.zeros(shape), cmap=_DIVERGING[False], vmin=-1, vmax=1, aspect="auto",
            interpolation="none", extent=(0, columns, rows, 0),
        )  # fmt: skip
        axes.set(xticks=np.arange(0, columns, across or block)[1:], yticks=range(0, rows, block))
        axes.tick_params(length=3, labelleft=False, labelbottom=False)
        largest = axes.text(1, 1.02, "", transform=axes.transAxes, ha="right", fontsize=8)
        self.largest.append(largest)
        animate(image, largest)
        return image

    def _make_bars(self, axes: Axes) -> None:
        label_axes(axes, "", "numbers kept for one meta-gradient", "")
        axes.set(xscale="log", xlim=(_LOW, _HIGH), ylim=(len(_ROWS) - 0.4, -0.6))
        axes.set_yticks(range(len(_ROWS)), _ROWS)
        axes.grid(True, axis="x", lw=0.6)
        paints = zip(_PAINTS, range(len(_ROWS)), strict=True)
        self.bars = [
            axes.barh(i, 0.0, left=_LOW, height=0.62, color=COLOURS[paint])[0]
            for paint, i in paints
        ]
        self.counts = [axes.text(2, i, "", va="center", fontsize=8) for i in range(len(_ROWS))]
        animate(*self.bars, *self.counts)

    def set_theme(self, dark: bool) -> None:
        """Light or dark."""
        apply_theme(self.figure, dark, ink=(self.readout, *self.counts, *self.largest))
        for part in self.figure.subfigs:
            part.set_facecolor(theme(dark)["page"])
        for image in self.heat.values():
            image.set_cmap(_DIVERGING[dark])

    def show(self, record: Record, at: int) -> None:
        """Draw the state at a time; colours span each quantity's largest value over all times."""
        arrays = {
            "s": record.s[at],
            "B": record.B[at].transpose(0, 2, 1, 3).reshape(_M * _N, _M * _N),
            "z": record.z[at].transpose(0, 3, 1, 2).reshape(_M * _N, _M * _M),
            "jacobian": record.jacobian[at],
            "reference": record.reference[at],
        }
        for text, (name, array) in zip(self.largest, arrays.items(), strict=True):
            # Entries differ by orders of magnitude, so colours follow their logarithm.
            size, top = np.abs(array), float(np.abs(getattr(record, name)).max()) or 1.0
            span = 10 ** _DECADES.get(name, 3.0)
            shade = np.log1p(size / top * span) / np.log1p(span)
            self.heat[name].set_data(np.sign(array) * shade)
            text.set_text(f"≤ {size.max():.2g}")

    def show_sizes(self, sizes: dict[str, float]) -> None:
        """One bar a way, and how many numbers it keeps."""
        for bar, text, count in zip(self.bars, self.counts, sizes.values(), strict=True):
            bar.set_width(count - _LOW)
            text.set_text(_short(count))
            text.set_x(max(count * 1.6, 2.0))

    def write(self, text: str) -> None:
        """The readout."""
        self.readout.set_text(text)


def _short(count: float) -> str:
    """Numbers kept, and what they take in float32."""
    size: Any = 4 * count
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if size < 1000 or unit == "TB":
            break
        size /= 1000
    return f"{count:,.0f}" if count < 1000 else f"{count:.1e}, {size:.3g} {unit}"
