"""Measure how long after a key the picture has changed, against the fastest that ipympl can do.

    python benchmarks/latency.py --harness slider_latency.py NOTEBOOK...

The harness opens each notebook in JupyterLab and headless Chromium, and times every slider from
key event to painted pixels. The floor is a notebook that this script writes: one line of 200
points, one slider, `draw_idle`, shown by ipympl. Load differs from minute to minute, so the floor
is measured in the same run, before and after, and only the ratios mean anything.

ipympl is no dependency of comlnviz: install it for this benchmark (`uv pip install ipympl`).
"""

import argparse
import importlib.util
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

from comlnviz.cache import cache_environment

FLOOR = """\
%matplotlib widget
import ipywidgets, matplotlib.pyplot as plt, numpy as np
from IPython.display import display

t = np.linspace(0, 1, 200)
with plt.ioff():
    figure, axes = plt.subplots()
(line,) = axes.plot(t, np.sin(9 * t))
axes.set_ylim(-1.1, 1.1)
slider = ipywidgets.FloatSlider(value=9, min=1, max=30, step=0.1, description="floor")

def show(change):
    line.set_ydata(np.sin(change["new"] * t))
    figure.canvas.draw_idle()

slider.observe(show, "value")
display(slider, figure.canvas)
"""
HEADINGS = ("control", "median", "/floor", "p95", "/floor", "fps", "lag", "stuck")
# What the book promises, in the units of the table: ratios to the floor, frames/s, milliseconds.
MEDIAN, P95, FPS, LAG = 0.35, 0.5, 15, 150


def measure(harness: Path, notebook: Path, options: list[str]) -> dict[str, Any]:
    """Run the harness on one notebook; its report."""
    command = [sys.executable, str(harness), str(notebook), *options]
    done = subprocess.run(
        command, env=os.environ | cache_environment(), stdout=subprocess.PIPE, text=True
    )
    report = json.loads(done.stdout)
    problems = [report["harness_error"]] if report.get("harness_error") else []
    found = report.get("errors", {})
    problems += [str(entry) for kind in ("cells", "kernel") for entry in found.get(kind, ())]
    for problem in problems:
        print(f"{notebook.name}: {problem}", file=sys.stderr)
    report["problems"] = problems
    return report


def measured(report: dict[str, Any]) -> list[dict[str, Any]]:
    """The sliders that answered."""
    return [slider for slider in report.get("sliders", ()) if slider.get("latency_ms")]


def row(slider: dict[str, Any], median: float, p95: float) -> tuple[tuple[str, ...], bool]:
    """One line of the table, and whether it keeps the book's promise."""
    latency, burst = slider["latency_ms"], slider.get("burst") or {}
    ratio, tail = latency["median"] / median, latency["p95"] / p95
    fps, lag = burst.get("fps"), burst.get("lag_after_last_key_ms")
    stuck = slider["no_visible_change"]
    good = ratio <= MEDIAN and tail <= P95 and not stuck
    good = good and (fps or 0) >= FPS and (LAG + 1 if lag is None else lag) <= LAG
    shown = (
        slider["label"],
        f"{latency['median']:.0f}",
        f"{ratio:.2f}",
        f"{latency['p95']:.0f}",
        f"{tail:.2f}",
        "-" if fps is None else f"{fps:.0f}",
        "-" if lag is None else f"{lag:.0f}",
        f"{stuck}/{slider['events']}",
    )
    return shown, good


def main(arguments: list[str] | None = None) -> int:
    """Print the table; 1 when a notebook failed or had no slider that moves anything."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("notebooks", nargs="+", type=Path, metavar="NOTEBOOK")
    parser.add_argument("--harness", type=Path, required=True, help="path of slider_latency.py")
    parser.add_argument("--only", default="", help="regular expression: only sliders so labelled")
    parser.add_argument("--events", type=int, default=24, help="keys per slider (default 24)")
    parser.add_argument("--json", type=Path, help="folder for the harness's reports")
    asked = parser.parse_args(arguments)
    if importlib.util.find_spec("ipympl") is None:
        parser.error("the floor needs ipympl: install it beside comlnviz for this benchmark")

    options = [f"--events={asked.events}"]
    chosen = [f"--only={asked.only}"] if asked.only else []
    with tempfile.TemporaryDirectory() as folder:
        floor = Path(folder) / "floor.ipynb"
        nbformat.write(new_notebook(cells=[new_code_cell(FLOOR)]), floor)
        reports = {"floor before": measure(asked.harness, floor, options)}
        for notebook in asked.notebooks:
            reports[notebook.stem] = measure(asked.harness, notebook, options + chosen)
        reports["floor after"] = measure(asked.harness, floor, options)

    if asked.json:
        asked.json.mkdir(parents=True, exist_ok=True)
        for name, report in reports.items():
            path = asked.json / f"{re.sub(r'[^A-Za-z0-9_]+', '-', name)}.json"
            path.write_text(json.dumps(report, indent=1, ensure_ascii=False), encoding="utf-8")
    floors = [
        slider["latency_ms"]
        for name in ("floor before", "floor after")
        for slider in measured(reports[name])
    ]
    if not floors:
        print("The floor could not be measured.", file=sys.stderr)
        return 1
    median = statistics.fmean(floor["median"] for floor in floors)
    p95 = statistics.fmean(floor["p95"] for floor in floors)

    print(f"floor: median {median:.0f} ms, p95 {p95:.0f} ms (means of two)")
    widths = (22, 7, 7, 6, 7, 5, 6, 7)
    for name, report in reports.items():
        print(f"\n{name}")
        print("".join(f"{h:>{w}}" for h, w in zip(HEADINGS, widths, strict=True)))
        for slider in measured(report):
            shown, good = row(slider, median, p95)
            note = "" if good or name.startswith("floor") else "  slower than promised"
            print("".join(f"{v:>{w}}" for v, w in zip(shown, widths, strict=True)) + note)
        for slider in report.get("sliders", ()):
            if not slider.get("latency_ms"):
                why = slider.get("skipped") or slider.get("error") or "nothing changed"
                print(f"{slider['label']:>{widths[0]}}  {why}")
    failed = any(report["problems"] or not measured(report) for report in reports.values())
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
