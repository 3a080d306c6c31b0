"""What went where when a training was dealt out to many devices, and what many more would do."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle

from ..measure.throughput import ring_bytes, simulate
from ..studies.many_devices import Trained
from .style import (
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    VERMILLION,
    apply_theme,
    label_axes,
    new_figure,
    theme,
)


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


def what_it_costs(record: Mapping[str, Any], dark: bool = False) -> Figure:
    """Left, what it adds to a step to deal its tasks out; right, how busy many devices would be.

    **Arguments:**

    - `record`: what `benchmarks/scaling.py` has written.
    """
    figure = new_figure(9.4, 3.4)
    added, busy = figure.subplots(1, 2)
    label_axes(added, "A step, against one device with the same tasks", "virtual devices", "times")
    cpu, wall = (ratios(record["rows"], what) for what in ("cpu", "wall"))
    devices = sorted({count for count, _ in cpu})
    within = [n for n in devices if n <= record["cores"]]
    weak, strong = record["weak"], record["strong"]
    for name, each, colour in (
        (f"{weak} tasks a device", lambda n: weak, BLUE),
        (f"{strong} tasks in all", lambda n: strong // n, ORANGE),
    ):
        added.plot(devices, [cpu[n, each(n)] for n in devices], "o-", color=colour, label=name)
        added.plot(within, [wall[n, each(n)] for n in within], "x", color=colour, ms=9, mew=2)
    added.axhline(1.1, color=VERMILLION, lw=1, ls=":", label="10% more")
    added.plot([], [], "o-", color="grey", label="processor's time")
    added.plot([], [], "x", color="grey", ms=9, mew=2, label="by the clock, a core each")
    added.set_xscale("log", base=2)
    added.set_xticks(devices, [str(n) for n in devices])
    added.set_ylim(0, max(1.3, 1.1 * max(*cpu.values(), *wall.values())))
    label_axes(busy, "On paper: share of the time that is spent on tasks", "devices", "")
    counts = 2 ** np.arange(7)
    for each, colour in ((1, VERMILLION), (4, PURPLE), (16, GREEN)):
        shares = [_busy(record, int(n), each) for n in counts]
        busy.plot(counts, shares, "o-", color=colour, label=f"{each} task{'s' * (each > 1)} each")
    busy.set_xscale("log", base=2)
    busy.set_xticks(counts, [str(n) for n in counts])
    busy.set_ylim(0, 1.05)
    legends = [axes.legend(fontsize=8, frameon=False, loc="lower left") for axes in (added, busy)]
    apply_theme(figure, dark, ink=[text for legend in legends for text in legend.get_texts()])
    return figure


def cost_in_words(record: Mapping[str, Any]) -> str:
    """The picture of what it costs in words."""
    cpu, wall = (ratios(record["rows"], what) for what in ("cpu", "wall"))
    most = max(share for (devices, _), share in cpu.items() if devices > 1)
    strong = record["strong"]
    used = max(n for n, _ in wall if n <= record["cores"])
    faster = wall[used, strong // used]
    alone, many = _busy(record, 64, 1), _busy(record, 64, 16)
    return (
        f"On virtual devices a step takes at most {most:.2f} times the processor's time that one "
        f"device takes for the same tasks; on {used} of them with a core each, {faster:.2f} times "
        f"the time by the clock for {strong} tasks. On paper, 64 devices with one task each work "
        f"{alone:.0%} of the time and wait for the rest; with 16 tasks each they work {many:.0%}."
    )


def _busy(record: Mapping[str, Any], devices: int, each: int) -> float:
    """The share of the devices' time that is spent on tasks, `each` a device and step."""
    costs = np.asarray(record["costs"])
    return simulate(costs, devices=devices, batch_size=devices * each).efficiency


def ratios(rows: Sequence[Mapping[str, Any]], what: str) -> dict[tuple[int, int], float]:
    """By (devices, tasks a device): `what` of a step against one device with the same tasks."""
    alone = {row["batch_size"]: row[what] for row in rows if row["devices"] == 1}
    return {
        (row["devices"], row["batch_size"] // row["devices"]): row[what] / alone[row["batch_size"]]
        for row in rows
    }


def _bytes(count: float) -> str:
    return f"{count:.0f} B" if count < 1000 else f"{count / 1e3:.3g} kB"
