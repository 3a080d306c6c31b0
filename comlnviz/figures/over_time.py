"""The error of several starts over the time of adaptation: a panel that figures share."""

from collections.abc import Collection, Mapping
from typing import Any, final

import numpy as np
from matplotlib.axes import Axes

from ..studies.learned_starts import TIMES
from .style import animate, feed, label_axes


@final
class OverTime:
    """A line for each start, at the right its name and its error at the time that is shown.

    **Fields:**

    - `lines`, `heres`, `names`, `numbers`: by start.
    - `faint`, `ink`: what takes these colours of a theme, as in `apply_theme`.
    """

    def __init__(
        self,
        axes: Axes,
        title: str,
        looks: Mapping[str, Mapping[str, Any]],
        limits: tuple[float, float],
        trained: float,
        *,
        level: Collection[str] = (),
        widest: str,
        rows: tuple[float, float],
        column: float,
    ) -> None:
        """Make everything once.

        **Arguments:**

        - `looks`: of each start's line; what has no colour takes the theme's ink.
        - `limits`: of the errors that are shown.
        - `trained`: the T of meta-training, which is marked.
        - `level`: starts whose error does not depend on T.
        - `widest`: the text at the right that needs most room.
        - `rows`, `column`: where at the right names begin, their distance, and where numbers stand,
          in parts of the axes.
        """
        self._limits, (top, gap) = limits, rows
        label_axes(axes, title, "T (time, log)", "")
        axes.set(xscale="log", xlim=(TIMES[0], TIMES[-1] * 1.02), ylim=limits)
        axes.grid(True, lw=0.6)
        (self._now,) = axes.plot([], [], lw=1)
        self.lines, self.names, self.heres, self.numbers = {}, {}, {}, {}
        beside: dict[str, Any] = dict(fontsize=9, va="center", transform=axes.transAxes)
        for row, (name, look) in enumerate(looks.items()):
            (self.lines[name],) = axes.plot([], [], **look)
            colour = look.get("color", "black")
            if name not in level:
                (self.heres[name],) = axes.plot([], [], marker="o", ms=5, color=colour)
            # Names and numbers apart: what does not change costs nothing.
            height = top - gap * row
            self.names[name] = axes.text(1.015, height, name, color=colour, **beside)
            self.numbers[name] = axes.text(column, height, "", color=colour, **beside)
        # Room for these, which are empty while the axes are laid out.
        axes.text(1.015, 0, widest, alpha=0, weight="bold", **beside)
        line = axes.axvline(trained, lw=1, ls=":")
        note = axes.annotate(
            f"meta-trained for T = {trained:g}", (trained, limits[1]), (4, -4),
            textcoords="offset points", fontsize=8, va="top",
        )  # fmt: skip
        animate(self._now, *self.lines.values(), *self.heres.values(), *self.numbers.values())
        self.faint = (self._now, line, note)
        plain = [name for name, look in looks.items() if "color" not in look]
        parts = (self.lines, self.heres, self.names, self.numbers)
        self.ink = tuple(of[name] for of in parts for name in plain if name in of)

    def draw(self, errors: Mapping[str, np.ndarray]) -> None:
        """The errors at `TIMES`."""
        for name, line in self.lines.items():
            feed(line, TIMES, errors[name])

    def mark(self, errors: Mapping[str, np.ndarray], at: int, lost: str = "") -> None:
        """Those at one of `TIMES`; `lost` where one is not finite."""
        feed(self._now, [TIMES[at]] * 2, self._limits)
        for name, text in self.numbers.items():
            error = errors[name][at]
            if name in self.heres:
                feed(self.heres[name], [TIMES[at]], [error])
            text.set_text(f"{error:.3f}" if np.isfinite(error) else lost)
