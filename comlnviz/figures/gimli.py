"""Figures of the paper on generalized inner loops, drawn from stored results."""

from collections.abc import Mapping
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from .style import apply_theme, label_axes, new_figure

_TITLES = {"learning_rate": "learning rate", "b1": "β₁", "b2": "β₂"}


def settings(cell: Mapping[str, Any]) -> Figure:
    """What each array of the network learned for its inner optimizer, over meta-training.

    A line an array, dark for the first layers and light for the last; of what is learned for each
    inner step, the mean.

    **Arguments:**

    - `cell`: of the result `gimli-figure-2` (SGD inside) or `gimli-figure-3` (Adam).

    Source: GIMLI (Grefenstette et al. 2019), Figures 2 and 3.
    """
    names = [name for name in _TITLES if name in cell]
    figure = new_figure(2.3 + 2.1 * len(names), 3.0)
    colours = matplotlib.colormaps["viridis"](np.linspace(0, 0.9, len(cell["groups"])))
    for panel, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        courses = np.asarray(cell[name], float)
        label_axes(panel, _TITLES[name], "meta-training step", "")
        panel.grid(True, lw=0.6)
        steps = cell["every"] * np.arange(len(courses))
        for course, colour in zip(courses.T, colours, strict=True):
            panel.plot(steps, course, color=colour, lw=1.3)
        panel.ticklabel_format(axis="y", useOffset=False)
    apply_theme(figure, dark=False)
    return figure
