"""What went where when a training was dealt out to many devices, and what many more would do."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle

from ..measure.throughput import ring_bytes
from ..studies.many_devices import Trained
from .style import BLUE, GREEN, ORANGE, VERMILLION, apply_theme, label_axes, new_figure, theme


def what_went_where(one: Trained, many: Trained, dark: bool = False) -> Figure:
    """Left, a step on many devices; right, the course of both trainings, and how they differ."""
    figure = new_figure(9.4, 4.2)
    grid = figure.add_gridspec(2, 2, width_ratios=(1.5, 1), height_ratios=(1.2, 1))
    flow, losses = figure.add_subplot(grid[:, 0]), figure.add_subplot(grid[0, 1])
    difference = figure.add_subplot(grid[1, 1], sharex=losses)
    _draw_flow(flow, many, theme(dark)["ink"])
    label_axes(losses, "The same training", "", "meta-loss")
    losses.plot(one.losses, color=ORANGE, lw=4, alpha=0.6, label="1 device")
    losses.plot(many.losses, color=BLUE, lw=1.2, label=f"{many.devices} devices")
    legend = losses.legend(fontsize=8, frameon=False)
    label_axes(difference, "to rounding", "meta-training step", "relative difference")
    a, b = np.asarray(one.losses), np.asarray(many.losses)
    difference.semilogy(np.abs(a - b) / np.abs(a), ".", color=VERMILLION, ms=4)
    apply_theme(figure, dark, ink=legend.get_texts())
    return figure


def _draw_flow(axes: Any, many: Trained, ink: str) -> None:
    """A column a device: its tasks, its copy of the parameters, and the sum they all make."""
    axes.set_title(f"A step on {many.devices} devices", fontsize=10, loc="left")
    axes.set(xlim=(-0.6, many.devices - 0.4), ylim=(-1.45, 3.6))
    axes.axis("off")
    write = lambda x, y, text, **how: axes.text(
        x, y, text, color=ink, **{"ha": "center", "va": "center", "fontsize": 8, **how}
    )
    for device, tasks in enumerate(many.tasks):
        for row, task in enumerate(tasks):
            y = 2.35 + 0.42 * row
            axes.add_patch(Rectangle((device - 0.3, y), 0.6, 0.36, color=GREEN, alpha=0.45, lw=0))
            write(device, y + 0.17, task)
        axes.add_patch(Rectangle((device - 0.4, 0.9), 0.8, 0.7, fill=False, ec=BLUE, lw=1.5))
        write(device, 1.25, "θ", fontsize=11)
        for start, end in (((device, 2.25), (device, 1.65)), ((device, 0.85), (device, 0.25))):
            arrow = FancyArrowPatch(
                start, end, arrowstyle="->", mutation_scale=9, color=ink, lw=0.8
            )
            axes.add_patch(arrow)
    left, width = -0.4, many.devices - 0.2
    axes.add_patch(Rectangle((left, -0.35), width, 0.5, color=VERMILLION, alpha=0.45, lw=0))
    write(many.devices / 2 - 0.5, -0.1, f"all-reduce: one sum of {_bytes(_reduced(many))}")
    sent = _bytes(ring_bytes(_reduced(many), many.devices))
    images, theta = _bytes(many.data_bytes), _bytes(many.gradient_bytes)
    lines = (
        "the numbers are the batch's tasks, which each device draws from the seed itself",
        f"once: {images} of images to each, and {theta} of θ",
        f"every step: each sends {sent} round a ring, and gets as much",
    )
    for row, line in enumerate(lines):
        write(-0.4, -0.62 - 0.32 * row, line, ha="left", fontsize=8)


def _reduced(trained: Trained) -> int:
    return max(size for kind, size, _ in trained.exchanged if kind == "all-reduce")


def described(one: Trained, many: Trained) -> str:
    """The picture in words."""
    a, b = np.asarray(one.losses), np.asarray(many.losses)
    off = float(np.max(np.abs(a - b) / np.abs(a)))
    return (
        f"A step on {many.devices} devices: each has a copy of the parameters and "
        f"{len(many.tasks[0])} tasks of the batch, and the gradients meet in one all-reduce of "
        f"{_bytes(_reduced(many))}. The losses of {len(a)} steps on 1 and on {many.devices} "
        f"devices lie on each other: they differ by at most {off:.0e} of their size."
    )


def ratios(rows: Sequence[Mapping[str, Any]], what: str) -> dict[tuple[int, int], float]:
    """By (devices, tasks a device): `what` of a step against one device with the same tasks."""
    alone = {row["batch_size"]: row[what] for row in rows if row["devices"] == 1}
    return {
        (row["devices"], row["batch_size"] // row["devices"]): row[what] / alone[row["batch_size"]]
        for row in rows
    }


def _bytes(count: float) -> str:
    return f"{count:.0f} B" if count < 1000 else f"{count / 1e3:.3g} kB"
