"""Memory, time and error of a meta-gradient against the length of adaptation: MemoryRuntime."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, final

import numpy as np
from matplotlib.axes import Axes

from ..measure import METHODS
from ..studies.curves import TABLE_1, Curve, Record, formula
from .style import METHOD_COLOURS, animate, apply_theme, feed, label_axes, new_figure, new_readout

# Methods of one colour differ by their markers.
_MARKERS = {
    "MAML, every √n": "s", "MAML, recursive": "D", "Reptile": "s", "iMAML": "^",
    "naive forward sensitivity": "v", "A-MAML, a state a step": "s", "COMLN, forward, Euler": "s",
}  # fmt: skip
_SHORT = {
    "naive forward sensitivity": "naive forward", "COMLN, forward, Euler": "COMLN, Euler",
    "A-MAML by backsolve": "A-MAML, backsolve", "A-MAML, a state a step": "A-MAML, n states",
}  # fmt: skip
_PANELS = {
    "temporary_bytes": ("temporary memory of one meta-gradient", "bytes", (3e3, 1e13)),
    "seconds": ("time of one meta-gradient", "seconds", (1e-4, 3e3)),
    "error": ("its error, against float64", "relative", (1e-8, 10)),
}
_PLACES = {
    "temporary_bytes": (0.065, 0.585, 0.265, 0.36),
    "seconds": (0.57, 0.585, 0.265, 0.36),
    "error": (0.065, 0.105, 0.265, 0.36),
}
_LINE = 0.062  # the height of a line of text, as a share of a panel's


@final
class CurvesFigure:
    """Feed it with `show`, `show_limit`, `show_paper` and `write`."""

    def __init__(self) -> None:
        """Make everything once."""
        self.figure = new_figure(9.8, 7.2)
        self.figure.set_layout_engine("none")
        self.axes: dict[str, Axes] = {}
        self.lines: dict[tuple[str, str, str], Any] = {}  # by panel, method and kind
        self.labels: dict[tuple[str, str], Any] = {}
        self._ink: list[Any] = []  # what takes the ink of the theme
        for what in _PANELS:
            self._make_panel(what)
        self._make_table()
        self._make_marks()
        self.readout = new_readout(self.table)
        self._ink.append(self.readout)
        self.set_theme(False)
        self.figure.draw_without_rendering()

    # ------------------------------------------------------------------ artists, made once
    def _make_panel(self, what: str) -> None:
        title, unit, limits = _PANELS[what]
        axes = self.axes[what] = self.figure.add_axes(_PLACES[what])
        label_axes(axes, title, "gradient steps of 0.01: T = steps / 100", unit)
        axes.set(xscale="log", yscale="log", xlim=(0.7, 1.5e8), ylim=limits)
        axes.set_xticks([1.0, 1e2, 1e4, 1e6, 1e8])
        axes.grid(True, lw=0.6)
        kinds: dict[str, dict[str, Any]] = {
            "formula": dict(lw=0.8, alpha=0.6),
            "beyond": dict(lw=1.4, ls="--"),
            "elsewhere": dict(lw=0.8, ms=4.5, mfc="none", mew=0.8, alpha=0.7),
            "measured": dict(lw=1.6, ms=4.5),
        }
        for method in METHODS:
            colour = METHOD_COLOURS[method] or "black"
            for kind, look in kinds.items():
                marker = _MARKERS.get(method, "o") if kind in ("elsewhere", "measured") else ""
                (line,) = axes.plot([], [], color=colour, marker=marker, **look)
                self.lines[what, method, kind] = line
                animate(line)
            label = axes.text(1.03, 0.5, "", color=colour, fontsize=8, va="center",
                              transform=axes.transAxes)  # fmt: skip
            self.labels[what, method] = label
            animate(label)
            if METHOD_COLOURS[method] is None:
                self._ink += [label, *(self.lines[what, method, kind] for kind in kinds)]
        (here,) = axes.plot([], [], lw=1, ls=":")
        self.lines[what, "", "here"] = here
        self._ink.append(here)
        animate(here)

    def _make_table(self) -> None:
        axes = self.table = self.figure.add_axes((0.61, 0.105, 0.26, 0.36))
        label_axes(axes, "Table 1, every constant one", "bytes", "")
        axes.set(xscale="log", xlim=(1e2, 1e13), ylim=(len(TABLE_1) - 0.4, -0.6))
        axes.set_yticks(range(len(TABLE_1)), [_SHORT.get(m, m) for m in TABLE_1], fontsize=8)
        axes.set_xticks([1e3, 1e6, 1e9, 1e12])
        self.bars, self.sizes = [], []
        for row, method in enumerate(TABLE_1):
            colour = METHOD_COLOURS[method] or "black"
            (bar,) = axes.plot([], [], color=colour, lw=7, solid_capstyle="butt", alpha=0.85)
            size = axes.text(1.02, row, "", fontsize=8, va="center")
            size.set_transform(axes.get_yaxis_transform())
            self.bars.append(bar)
            self.sizes.append(size)
            self._ink += [size] if METHOD_COLOURS[method] else [size, bar]
            animate(bar, size)

    def _make_marks(self) -> None:
        memory, table = self.axes["temporary_bytes"], self.table
        self.limits = [memory.axhline(1, lw=1.2), table.axvline(1, lw=1.2)]
        (self.stops,) = memory.plot([], [], ls="", marker="X", ms=8, mew=0)
        self.paper = [axes.axhline(1, lw=0.9, ls="-.", alpha=0.7)
                      for axes in (memory, self.axes["seconds"])]  # fmt: skip
        self.paper_notes = [
            axes.text(x, 1, "", fontsize=7.5, va="bottom", ha=side)
            for axes, x, side in ((memory, 1.0, "left"), (self.axes["seconds"], 1.3e8, "right"))
        ]
        marks = [*self.limits, self.stops, *self.paper, *self.paper_notes]
        self._ink += marks
        animate(*marks)

    def set_theme(self, dark: bool) -> None:
        """Light or dark."""
        apply_theme(self.figure, dark, ink=self._ink)

    # ------------------------------------------------------------------ fed
    def show(self, record: Record, methods: Sequence[str], front: Sequence[str]) -> None:
        """Draw a study's record.

        **Arguments:**

        - `methods`: have their formulas drawn also where unmeasured.
        - `front`: devices whose curves are drawn full, and read; those of others are hollow.
        """
        for what in _PANELS:
            for method in METHODS:
                own = [c for c in record.curves if c.method == method]
                full = [c for c in own if c.device in front]
                others = [c.measured(what) for c in own if c.device not in front]
                self._feed(what, method, "elsewhere", others)
                self._feed(what, method, "measured", [c.measured(what) for c in full])
                self._feed(what, method, "beyond", [c.beyond(what) for c in full])
                drawn = what == "temporary_bytes" and method in methods
                drawn = drawn and METHODS[method].fits(record.problem)
                sizes = [p.parameters for c in own for p in c.points if p.parameters]
                size = sizes[0] if sizes else None
                theory = [formula(method, record.problem, size)] if drawn else []
                self._feed(what, method, "formula", theory)
            feed(self.lines[what, "", "here"], [record.length] * 2, _PANELS[what][2])
            self._label(what, record, front)
        for bar, size, row in zip(self.bars, self.sizes, record.table, strict=True):
            y = TABLE_1.index(row.method)
            fits = np.isfinite(row.bytes)
            feed(bar, [1e2, max(row.bytes, 1e2) if fits else np.nan], [y, y])
            size.set_text(in_bytes(row.bytes) if fits else "no last layer")

    def _feed(self, what: str, method: str, kind: str, curves: Iterable[Any]) -> None:
        """One line for the curves of all devices, with gaps between."""
        gap = np.array([np.nan])
        parts = [part for x, y in curves for part in ((x, y), (gap, gap))]
        x, y = (np.concatenate([p[i] for p in parts]) if parts else gap for i in (0, 1))
        line = self.lines[what, method, kind]
        feed(line, x, y)
        line.set_visible(bool(parts))  # drawing nothing takes its time, too

    def _label(self, what: str, record: Record, front: Sequence[str]) -> None:
        """Beside the panel, from top to bottom as the curves stand at the length that is read."""
        low, high = np.log(_PANELS[what][2])
        found: dict[str, tuple[float, str]] = {}
        for curve in record.curves:
            value = curve.at(what, record.length) if curve.device in front else None
            if value is None or curve.method in found:
                continue
            share = (np.log(value.value) - low) / (high - low)
            sign = "" if value.measured else "≈ "
            found[curve.method] = float(share), f"{sign}{_WRITTEN[what](value.value)}"
        places = spread({method: share for method, (share, _) in found.items()}, _LINE)
        box = self.axes[what].bbox
        for method in METHODS:
            label = self.labels[what, method]
            name = _SHORT.get(method, method)
            label.set_text(f"{name}  {found[method][1]}" if method in found else "")
            if method in found:
                # On whole pixels, letters drawn before can be used again.
                label.set_y((round(box.y0 + places[method] * box.height) - box.y0) / box.height)

    def show_limit(self, limit: float, curves: Sequence[Curve]) -> None:
        """The line at `limit` bytes, and a cross where each curve passes it."""
        memory, table = self.limits
        memory.set_ydata([limit, limit])
        table.set_xdata([limit, limit])
        stops = [s.value for curve in curves if (s := curve.stops(limit)) is not None]
        feed(self.stops, stops, [limit] * len(stops))

    def show_paper(self, said: Mapping[str, Any] | None) -> None:
        """What the paper's device could do at most; nothing for a problem that is not in it."""
        notes = ("", "")
        if said is not None:
            notes = (
                f"paper: {said['device']}, {said['memory_bytes'] / 1e9:.0f} GB",
                f"paper: drawn up to {said['seconds']} s",
            )
        values = (np.nan, np.nan) if said is None else (said["memory_bytes"], said["seconds"])
        for line, text, note, value in zip(
            self.paper, self.paper_notes, notes, values, strict=True
        ):
            line.set_ydata([value, value])
            text.set_text(note)
            text.set_y(1.15 * value if note else 1.0)

    def write(self, text: str) -> None:
        """The readout."""
        self.readout.set_text(text)


def spread(places: Mapping[str, float], apart: float) -> dict[str, float]:
    """Places within [0, 1] moved as little as is simple, so that none is nearer than `apart`."""
    names = sorted(places, key=lambda name: -places[name])
    found, ceiling = {}, 1.0
    for rank, name in enumerate(names):
        floor = apart * (len(names) - 1 - rank)  # room for those below
        found[name] = max(min(places[name], ceiling), floor)
        ceiling = found[name] - apart
    return found


def in_bytes(value: float) -> str:
    """A number of bytes, as a person writes it."""
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= size:
            return f"{value / size:,.3g} {unit}" if value < 1e15 else f"{value / size:.0e} {unit}"
    return f"{value:.0f} B"


def in_seconds(value: float) -> str:
    """A time, as a person writes it."""
    for unit, size in (("days", 86_400.0), ("h", 3600.0), ("s", 1.0), ("ms", 1e-3)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value * 1e6:.3g} µs"


_WRITTEN = {
    "temporary_bytes": in_bytes,
    "seconds": in_seconds,
    "error": lambda value: f"{value:.0e}",
}
