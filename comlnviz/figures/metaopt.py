"""Figures of the meta-optimizers paper, drawn from stored results."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ..papers.guesses import cell_of
from .style import (
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    apply_theme,
    label_axes,
    new_figure,
)

Cells = Mapping[str, Mapping[str, Any]]
_MARKERS = {
    "LR w/ MAML": (ORANGE, "o"),
    "LR + LinNet w/ MAML": (SKY, "s"),
    "LR w/ KLin": (BLUE, "D"),
    "LR w/ KFC": (PURPLE, "^"),
}
_CHANCE = {"Synthetic": 50, "Omniglot": 20}


def table_1(
    cells: Cells, protocols: Iterable[str], published: Mapping[str, Any], column: str
) -> Figure:
    """Accuracy of the four models under each protocol, the published ones above.

    **Arguments:**

    - `cells`: of the result `metaopt-synthetic` or `metaopt-omniglot`.
    - `protocols`: the names of the rows, from the top; cells that there are not stay empty.
    - `published`: what `papers.published` has of Table 1, and its `column`.

    Source: Decoupling Adaptation from Modeling (2020), Table 1.
    """
    rows, chance = ["the paper", *protocols], _CHANCE[column]
    diverged = chance - 7  # where such a run is drawn, left of all accuracies
    place = published["columns"].index(column)
    theirs = {row["method"]: row["values"][place][0] for row in published["rows"]}
    largest = max([*theirs.values(), *(cell.get("mean", 0) for cell in cells.values())])
    figure = new_figure(8.6, 1.2 + 0.27 * len(rows))
    axes = figure.subplots()
    label_axes(axes, f"accuracy after adaptation, {column}", "%  (left of the line: diverged)", "")
    axes.set(
        xlim=(diverged - 3, largest + 2), ylim=(len(rows) - 0.5, -0.5),
        xticks=range(chance, int(largest) + 2, 10),
    )  # fmt: skip
    axes.set_yticks(range(len(rows)), rows)
    axes.grid(True, axis="x", lw=0.6)
    guides = [axes.axvline(chance - 4, lw=0.8), axes.axvline(chance, lw=0.8, ls=":")]
    guides.append(axes.axhline(0.5, lw=0.8))
    for offset, (name, (colour, marker)) in zip(
        np.linspace(-0.24, 0.24, len(_MARKERS)), _MARKERS.items(), strict=True
    ):
        found = [{"mean": theirs[name]}]
        found += [cells.get(cell_of(name, row), {}) for row in rows[1:]]
        means = [cell.get("mean", diverged if "failed" in cell else np.nan) for cell in found]
        axes.plot(means, np.arange(len(rows)) + offset, marker, color=colour, ms=5, label=name)
    figure.legend(loc="outside lower center", ncols=len(_MARKERS), fontsize=8, frameon=False)
    apply_theme(figure, False, guides)
    return figure


def figure_1(cells: Cells, published: Mapping[str, Any], iterations: Mapping[str, int]) -> Figure:
    """Accuracy on new tasks over meta-training, of all four models; at the right the paper's.

    **Arguments:**

    - `cells`, `published`: of the record of the result `metaopt-table-1`.
    - `iterations`: of meta-training, by column.

    Source: Decoupling Adaptation from Modeling (2020), Figures 1 and A.5.
    """
    figure = new_figure(8.6, 3.4)
    panels = figure.subplots(1, 2)
    for axes, (column, steps) in zip(panels, iterations.items(), strict=True):
        label_axes(axes, f"{column}: accuracy on new tasks", "iterations", "%")
        axes.grid(True, lw=0.6)
        place = published["columns"].index(column)
        for row in published["rows"]:
            name = row["method"]
            colour, marker = _MARKERS[name]
            course = cells[f"{name}, {column}"]["course"]
            at = (np.arange(len(course)) + 1) * steps / len(course)
            axes.plot(at, course, color=colour, lw=1.5, label=name)
            axes.plot(1.05 * steps, row["values"][place][0], marker, color=colour, ms=5)
    lines, labels = panels[0].get_legend_handles_labels()
    figure.legend(
        lines, labels, loc="outside lower center", ncols=len(_MARKERS), fontsize=8, frameon=False
    )
    apply_theme(figure, dark=False)
    return figure


def figure_3(cells: Cells, published: Mapping[str, Any]) -> Figure:
    """Accuracy with 1 to 4 layers, with MAML and with KFC; dashed: the paper's.

    **Arguments:**

    - `cells`, `published`: of the record of the result `metaopt-table-A2`.

    Source: Decoupling Adaptation from Modeling (2020), Figure 3 and Table A2.
    """
    figure = new_figure(5.6, 3.2)
    axes = figure.subplots()
    label_axes(axes, "Omniglot: accuracy after adaptation", "layers of the network", "%")
    layers = range(1, 5)
    axes.set_xticks(layers)
    axes.grid(True, lw=0.6)
    theirs = {
        f"{row['method']}, {column}": value
        for row in published["rows"]
        for column, value in zip(published["columns"], row["values"], strict=True)
    }
    for words, colour, label in (
        ("CNN", ORANGE, "CNN w/ MAML"),
        ("CNN w/ KFC", PURPLE, "CNN w/ KFC"),
    ):
        names = [f"{n} layer{'s' * (n > 1)}, Omniglot: {words}" for n in layers]
        means, half = ([cells[each][key] for each in names] for key in ("mean", "ci95"))
        axes.errorbar(layers, means, half, color=colour, fmt="o-", capsize=3, label=label)
        axes.plot(layers, [theirs[each][0] for each in names], "s--", color=colour, ms=4, lw=1)
    axes.legend(fontsize=8, frameon=False)
    apply_theme(figure, dark=False)
    return figure


def figure_a3(cells: Cells) -> Figure:
    """A large network's accuracy, its numbers below a threshold set to zero after adaptation.

    The dot is where as many are left as the small network has; that one's accuracies are level.

    **Arguments:**

    - `cells`: of the result `metaopt-table-A1`.

    Source: Decoupling Adaptation from Modeling (2020), Figure A.3.
    """
    figure = new_figure(5.6, 3.2)
    axes = figure.subplots()
    label_axes(axes, "Omniglot: a large network, pruned", "weights set to zero below", "%")
    axes.grid(True, lw=0.6)
    pruned = cells["w/ PRUNE, Omniglot"]
    means, half = np.transpose(pruned["curve"])
    axes.errorbar(pruned["thresholds"], means, half, fmt="o-", color=GREEN, ms=4, label="pruned")
    size = f"to {pruned['kept']:,} numbers"
    axes.plot(pruned["threshold"], pruned["mean"], "D", color=VERMILLION, ms=7, label=size)
    for words, colour in (("KFC", PURPLE), ("MAML", ORANGE)):
        level = cells[f"w/ {words}, Omniglot"]["mean"]
        axes.axhline(level, color=colour, lw=1.4, ls="--", label=f"a small network, {words}")
    axes.legend(fontsize=8, frameon=False)
    apply_theme(figure, dark=False)
    return figure
