"""One palette, one colour a method, two themes."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text

# Okabe and Ito's palette, told apart by colour-blind readers. Black and yellow vanish on a dark or
# a white page, so the eighth method takes the ink of the theme.
GREEN, VERMILLION, ORANGE = "#009E73", "#D55E00", "#E69F00"
BLUE, SKY, PURPLE = "#0072B2", "#56B4E9", "#CC79A7"

COLOURS = {
    "flow": GREEN,
    "solver": SKY,
    "descent": ORANGE,
    "backward": VERMILLION,
    "Backsolve": VERMILLION,
    "ForwardSensitivity": BLUE,
    "GramAdjoint": PURPLE,
    "StoredStates": SKY,
}
# Of whole methods: variants share a colour, and None is the ink of the theme.
METHOD_COLOURS: dict[str, str | None] = {
    "MAML": ORANGE,
    "MAML, every √n": ORANGE,
    "MAML, recursive": ORANGE,
    "FOMAML": None,
    "Reptile": None,
    "iMAML": None,
    "A-MAML": SKY,
    "A-MAML, a state a step": SKY,
    "A-MAML by backsolve": VERMILLION,
    "ANIL": GREEN,
    "naive forward sensitivity": None,
    "COMLN, forward": BLUE,
    "COMLN, forward, Euler": BLUE,
    "COMLN, Gram": PURPLE,
}

_LIGHT = {"page": "#ffffff", "ink": "#222222", "faint": "#8a8a8a", "grid": "#e3e3e3"}
_DARK = {"page": "#111111", "ink": "#e6e6e6", "faint": "#9a9a9a", "grid": "#333333"}


def theme(dark: bool) -> dict[str, str]:
    """The colours of page, ink, faint ink and grid."""
    return _DARK if dark else _LIGHT


def new_figure(width: float, height: float, foot: float = 0.0) -> Figure:
    """An opaque figure, in inches, outside pyplot; `foot` is the share left for a readout."""
    figure = Figure(figsize=(width, height), dpi=100, layout="constrained")
    engine: Any = figure.get_layout_engine()
    engine.set(rect=(0, foot, 1, 1 - foot))
    return figure


def new_readout(axes: Axes, y: float = 0.012) -> Text:
    """An empty text at the foot of the figure, `y` up; of an axes, as a figure's is not saved."""
    transform = axes.get_figure().transFigure  # pyright: ignore[reportOptionalMemberAccess]
    text = axes.text(0.012, y, "", transform=transform, fontsize=9, in_layout=False)
    animate(text)
    return text


def settle(figure: Figure) -> None:
    """Lay out once and for all: axes that jump about while a slider moves cannot be read."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")


def label_axes(axes: Axes, title: str, x: str, y: str) -> None:
    """Title and axis labels in the book's sizes."""
    axes.set_title(title, fontsize=10, loc="left")
    axes.set_xlabel(x, fontsize=9)
    axes.set_ylabel(y, fontsize=9)
    axes.tick_params(labelsize=8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def apply_theme(
    figure: Figure, dark: bool, faint: Iterable[Artist] = (), ink: Iterable[Artist] = ()
) -> None:
    """Recolour page, spines, ticks and labels; artists that carry a method's colour keep it.

    `faint` artists (contours, annotations) take the faint ink, those of `ink` the full one.
    """
    colours = theme(dark)
    figure.set_facecolor(colours["page"])
    for axes in figure.axes:
        axes.set_facecolor(colours["page"])
        for spine in axes.spines.values():
            spine.set_edgecolor(colours["faint"])
        axes.tick_params(which="both", color=colours["faint"], labelcolor=colours["ink"])
        for label in (axes.xaxis.label, axes.yaxis.label, axes.title):
            label.set_color(colours["ink"])
        # `loc="left"` titles are texts of their own.
        for side in ("left", "right"):
            title: Any = getattr(axes, f"_{side}_title", None)
            if title is not None:
                title.set_color(colours["ink"])
        for line in (*axes.get_xgridlines(), *axes.get_ygridlines()):
            line.set_color(colours["grid"])
    for artists, colour in ((faint, "faint"), (ink, "ink")):
        for artist in artists:
            paint: Any = artist
            paint.set_color(colours[colour])


def animate(*artists: Artist) -> None:
    """Mark artists as moving: drawn in the browser, over the still background."""
    for artist in artists:
        artist.set_animated(True)


def feed(line: Line2D, x: Any, y: Any) -> None:
    """Give a line its numbers, unless it has them: what is unchanged need not be drawn anew."""
    had, given = line.get_data(orig=True), (np.asarray(x, float), np.asarray(y, float))
    if not all(np.array_equal(a, b, equal_nan=True) for a, b in zip(had, given, strict=True)):
        line.set_data(*given)
