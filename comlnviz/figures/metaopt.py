"""Figures of the meta-optimizers paper, drawn from stored results."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from .style import BLUE, ORANGE, PURPLE, SKY, apply_theme, label_axes, new_figure

Cells = Mapping[str, Mapping[str, Any]]
_MARKERS = {
    "LR w/ MAML": (ORANGE, "o"),
    "LR + LinNet w/ MAML": (SKY, "s"),
    "LR w/ KLin": (BLUE, "D"),
    "LR w/ KFC": (PURPLE, "^"),
}
_DIVERGED = 43.0  # where a run that diverged is drawn, left of all accuracies


def table_1(cells: Cells, protocols: Iterable[str], published: Mapping[str, float]) -> Figure:
    """Accuracy of the four models under each protocol, the published ones above.

    **Arguments:**

    - `cells`: of the result `metaopt-synthetic`.
    - `protocols`: the names of the rows, from the top; cells that there are not stay empty.
    - `published`: by model, in %.

    Source: Decoupling Adaptation from Modeling (2020), Table 1, Synthetic.
    """
    rows = ["the paper", *protocols]
    figure = new_figure(8.6, 1.2 + 0.27 * len(rows))
    axes = figure.subplots()
    label_axes(axes, "accuracy after adaptation, Synthetic", "%  (left of the line: diverged)", "")
    axes.set(xlim=(_DIVERGED - 3, 101), ylim=(len(rows) - 0.5, -0.5), xticks=range(50, 101, 10))
    axes.set_yticks(range(len(rows)), rows)
    axes.grid(True, axis="x", lw=0.6)
    guides = [axes.axvline(46, lw=0.8), axes.axvline(50, lw=0.8, ls=":"), axes.axhline(0.5, lw=0.8)]
    for offset, (name, (colour, marker)) in zip(
        np.linspace(-0.24, 0.24, len(_MARKERS)), _MARKERS.items(), strict=True
    ):
        found = [{"mean": published[name]}]
        found += [cells.get(f"{name}, {row.replace(', ', ' · ')}", {}) for row in rows[1:]]
        means = [cell.get("mean", _DIVERGED if "failed" in cell else np.nan) for cell in found]
        axes.plot(means, np.arange(len(rows)) + offset, marker, color=colour, ms=5, label=name)
    figure.legend(loc="outside lower center", ncols=len(_MARKERS), fontsize=8, frameon=False)
    apply_theme(figure, False, guides)
    return figure
