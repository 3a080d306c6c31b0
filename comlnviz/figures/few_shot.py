"""A few-shot task as pictures, and simple curves against time."""

import numpy as np
from matplotlib.figure import Figure

from .style import COLOURS, apply_theme, label_axes, new_figure


def episode_figure(
    support: np.ndarray, queries: np.ndarray, names: tuple[str, ...] | None = None
) -> Figure:
    """The support set above, a row a shot; some queries beneath.

    **Arguments:**

    - `support`: (ways, shots, height, width).
    - `queries`: (n, height, width), shown with a question mark.
    - `names`: the classes, written above their columns.
    """
    ways, shots = support.shape[:2]
    figure = new_figure(1.1 * max(ways, len(queries)), 1.15 * (shots + 1.4))
    columns = max(ways, len(queries))
    grid = figure.add_gridspec(shots + 1, columns)
    for way in range(ways):
        for shot in range(shots):
            axes = figure.add_subplot(grid[shot, way])
            axes.imshow(support[way, shot], cmap="gray_r")
            axes.set_axis_off()
            if shot == 0 and names:
                axes.set_title(names[way], fontsize=11, color=COLOURS["flow"], weight="bold")
    for i, query in enumerate(queries):
        axes = figure.add_subplot(grid[shots, i])
        axes.imshow(query, cmap="gray_r")
        axes.set_axis_off()
        axes.set_title("?", fontsize=12, color=COLOURS["backward"], weight="bold")
    return figure


def curves_figure(
    x: np.ndarray,
    curves: dict[str, np.ndarray],
    *,
    x_label: str,
    y_label: str,
    log_y: bool = False,
    log_x: bool = True,
) -> Figure:
    """Curves over one axis, each labelled at its end."""
    figure = new_figure(6.4, 3.2)
    axes = figure.add_subplot()
    label_axes(axes, "", x_label, y_label)
    axes.set(xscale="log" if log_x else "linear", yscale="log" if log_y else "linear")
    axes.grid(True, lw=0.6)
    for (name, y), colour in zip(curves.items(), COLOURS.values(), strict=False):
        axes.plot(x, y, lw=2, color=colour)
        axes.text(x[-1], y[-1], f"  {name}", color=colour, fontsize=9, va="center")
    axes.margins(x=0.02)
    apply_theme(figure, dark=False)
    return figure
