"""Figures of the A-MAML paper, drawn from stored results."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from ..studies.learned_starts import METHODS
from .regression import LOOKS
from .style import apply_theme, label_axes, new_figure

Cells = Mapping[str, Mapping[str, Any]]


def figure_2(cells: Cells) -> Figure:
    """The error on new functions over gradient steps, from each method's start.

    **Arguments:**

    - `cells`: of the result `amaml-figure-2`; a panel for each function and setting that it has.

    Source: A-MAML (Li et al. 2023), Figure 2.
    """
    names = list(dict.fromkeys(name.split(", ", 1)[1] for name in cells))
    columns = 2
    rows = -(-len(names) // columns)
    figure = new_figure(8.6, 0.5 + 2.5 * rows)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel, name in zip(panels, names, strict=False):
        label_axes(panel, name, "gradient step", "nRMSE")
        panel.set_yscale("log")
        panel.grid(True, lw=0.6)
        for label, method in METHODS.items():
            cell = cells.get(f"{method}, {name}", {})
            if "curve" in cell:
                x, y = (np.asarray(cell[part], float) for part in ("steps", "curve"))
                panel.plot(x, y, lw=1.6, label=label, **LOOKS[label])
        low, high = panel.get_ylim()
        panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5, 7) if high < 15 * low else (1,)))
        panel.yaxis.set_major_formatter("{x:g}")
        panel.yaxis.set_minor_formatter(NullFormatter())
    for panel in panels[len(names) :]:
        panel.set_axis_off()
    lines, labels = panels[0].get_legend_handles_labels()
    figure.legend(lines, labels, loc="outside lower center", ncols=len(METHODS), frameon=False)
    apply_theme(figure, dark=False)
    return figure
