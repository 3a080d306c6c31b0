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


def figure_3(cells: Cells, published: Mapping[str, Any] | None = None) -> Figure:
    """Accuracy with 1 to 4 layers, with MAML and with KFC; dashed: the paper's.

    **Arguments:**

    - `cells`, `published`: of the record of the result `metaopt-table-A2`.

    Source: Decoupling Adaptation from Modeling (2020), Figure 3 and Table A2.
    """
    figure = new_figure(5.6, 3.2)
    axes = figure.subplots()
    label_axes(axes, "Omniglot: accuracy after adaptation", "layers of the network", "%")
    axes.set_xticks(range(1, 5))
    axes.grid(True, lw=0.6)
    name = lambda layers: f"{layers} layer{'s' if layers > 1 else ''}"
    theirs = {row["method"]: row["values"] for row in (published or {"rows": ()})["rows"]}
    columns = (published or {"columns": ()})["columns"]
    for model, colour in (("CNN", ORANGE), ("CNN w/ KFC", PURPLE)):
        column = f"Omniglot: {model}"
        seen = [(n, cells.get(f"{name(n)}, {column}", {})) for n in range(1, 5)]
        known = [(n, cell["mean"], cell["ci95"]) for n, cell in seen if "mean" in cell]
        label = f"{model if model != 'CNN' else 'CNN w/ MAML'}"
        axes.errorbar(*zip(*known, strict=True), color=colour, fmt="o-", capsize=3, label=label)
        if column in columns:
            values = [theirs.get(name(n), {})[columns.index(column)] for n in range(1, 5)]
            means = [value[0] if value else np.nan for value in values]
            axes.plot(range(1, 5), means, "s--", color=colour, ms=4, lw=1)
    axes.legend(fontsize=8, frameon=False)
    apply_theme(figure, dark=False)
    return figure
