"""Figures of the COMLN paper, drawn from stored results."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from .style import BLUE, GREEN, ORANGE, VERMILLION, apply_theme, label_axes, new_figure

Cells = Mapping[str, Mapping[str, Any]]


def figure_5(cells: Cells, num_steps: int) -> Figure:
    """Left, T over meta-training; right, accuracy with T held against T learned.

    **Arguments:**

    - `cells`: of the result `comln-figure-5`.
    - `num_steps`: of meta-training.

    Source: COMLN (Deleu et al. 2022), Figure 5.
    """
    figure = new_figure(8.6, 3.2)
    left, right = figure.subplots(1, 2)
    label_axes(left, "T as it is learned", "meta-training step", "T")
    left.set_xlim(0, 1.15 * num_steps)
    left.grid(True, lw=0.6)
    for name, colour in (("T learned, 1-shot", ORANGE), ("T learned, 5-shot", GREEN)):
        T = np.asarray(cells[name]["T"])
        left.plot(np.linspace(0, num_steps, len(T)), T, color=colour, lw=2)
        label = f" {name.split(', ')[1]}"
        left.text(num_steps, T[-1], label, color=colour, fontsize=9, va="center")
    label_axes(right, "5-shot accuracy, T held or learned", "T", "accuracy, %")
    right.set_xscale("log")
    right.grid(True, lw=0.6)
    held = [cell for name, cell in cells.items() if name.startswith("T = ")]
    known = [cell for cell in held if "mean" in cell]
    column = lambda key: [cell[key] for cell in known]
    right.errorbar(
        column("T"), column("mean"), column("ci95"), color=BLUE, fmt="o-", lw=1.5, capsize=3
    )
    learned = cells["T learned, 5-shot"]
    right.axhspan(
        learned["mean"] - learned["ci95"], learned["mean"] + learned["ci95"], color=GREEN, alpha=0.3
    )
    right.plot(learned["T"][-1], learned["mean"], "*", color=GREEN, ms=13)
    right.annotate(
        "learned", (learned["T"][-1], learned["mean"]), (6, 8), textcoords="offset points",
        color=GREEN, fontsize=9,
    )  # fmt: skip
    apply_theme(figure, dark=False)
    return figure


def figure_d(cells: Cells) -> Figure:
    """Distance of perturbed from unperturbed trajectories, in units of the perturbation.

    Source: COMLN (Deleu et al. 2022), Appendix D.
    """
    figure = new_figure(6.4, 3.2)
    axes = figure.add_subplot()
    label_axes(axes, "What becomes of a small error", "time that has passed", "grown to … times")
    axes.set_yscale("log")
    axes.grid(True, lw=0.6)
    names = {
        "forward": ("(W, S) forward", BLUE),
        "backward": ("the adjoint's W backward", VERMILLION),
    }
    for direction, (name, colour) in names.items():
        t = np.asarray(cells[direction]["t"])
        growth = np.array(cells[direction]["growth"], float)  # None, where it failed: NaN
        axes.plot(t, growth.T, color=colour, lw=1, alpha=0.6)
        seen = np.nanmedian(growth, axis=0)
        at = len(t) * 2 // 3
        axes.annotate(
            name, (t[at], seen[at]), (0, 12), textcoords="offset points", color=colour,
            fontsize=9, ha="right", va="bottom",
        )  # fmt: skip
    apply_theme(figure, dark=False)
    return figure
