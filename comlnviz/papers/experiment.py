"""What it takes to reproduce a table or figure, and how it is run: cell by cell, resumable."""

import dataclasses
import json
import os
import platform
import subprocess
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..training import TrainingError
from .findings import Cells, Finding
from .published import published

PACKAGES = ("comlnviz", "jax", "jaxlib", "diffrax", "equinox", "optax", "lineax", "numpy")
Say = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class Preset:
    """One size of an experiment.

    **Fields:**

    - `data`: the datasets it reads, by name.
    - `cost`: what it takes, for the reader who is about to start it.
    - `protocol`: everything that was chosen, in words and numbers; stored with the results.
    - `cells`: the parts, in order, each a name and what computes it: (scratch folder) → numbers.
    """

    data: tuple[str, ...]
    cost: str
    protocol: Mapping[str, Any]
    cells: Mapping[str, Callable[[Path], dict[str, Any]]]


@dataclasses.dataclass(frozen=True)
class Experiment:
    """A table or figure of a paper.

    **Fields:**

    - `identifier`: as in `comlnviz reproduce`.
    - `title`, `claim`: what it is, and what it says that can turn out true or not.
    - `presets`: by name. `paper` is the paper's protocol, `classroom` keeps the claim and runs on
      two cores in minutes.
    - `judge`: of the numbers, which claims hold.
    - `form`: how a number is printed.
    - `lower_is_better`: whether the numbers are errors.
    """

    identifier: str
    title: str
    claim: str
    presets: Mapping[str, Callable[[], Preset]]
    judge: Callable[[Cells], tuple[Finding, ...]]
    form: str = ".2f"
    lower_is_better: bool = False


def run(
    experiment: Experiment, name: str, out: Path, scratch: Path, say: Say, only: str = ""
) -> Path:
    """Compute what is missing of a preset, or of its cells whose names contain `only`; the file.

    The file is written anew, whole, after each cell, so that an interrupted run keeps what it has:
    the same call goes on. Results of another protocol are not mixed in: they are set aside.
    """
    preset = experiment.presets[name]()
    if not any(only in cell for cell in preset.cells):
        names = "; ".join(preset.cells)
        raise ValueError(f"There is no cell whose name contains {only!r}; there are {names}.")
    path = out / f"{experiment.identifier}-{name}.json"
    record = _read(path)
    protocol = json.loads(json.dumps(preset.protocol))
    if record is not None and record["protocol"] != protocol:
        aside = path.with_suffix(".earlier.json")
        os.replace(path, aside)
        say(f"{path.name} was of another protocol; it is now {aside.name}.")
        record = None
    cells = {} if record is None else record["cells"]
    for number, (cell, compute) in enumerate(preset.cells.items(), 1):
        if cell in cells or only not in cell:
            continue
        say(f"{experiment.identifier}, {name}: {cell} ({number} of {len(preset.cells)})")
        began = time.monotonic()
        try:
            numbers = compute(scratch / experiment.identifier / name)
        except TrainingError as error:  # a result too: the same call would diverge again
            numbers = {"failed": str(error)}
        seconds = round(time.monotonic() - began, 1)
        cells[cell] = {**numbers, "seconds": seconds, **_circumstances()}
        _write(path, {
            "identifier": experiment.identifier,
            "title": experiment.title,
            "claim": experiment.claim,
            "preset": name,
            "complete": len(cells) == len(preset.cells),
            "protocol": protocol,
            "published": published(experiment.identifier),
            "cells": {cell: cells[cell] for cell in preset.cells if cell in cells},
        })  # fmt: skip
    return path


def _circumstances() -> dict[str, Any]:
    """On what a cell was computed: a run may be taken up on another machine."""
    import jax

    device = jax.devices()[0]
    kind = f"{os.cpu_count()} cores, {platform.machine()}" if device.platform == "cpu" else ""
    return {
        "device": f"{device.device_kind} {kind}".strip(),
        "versions": {name: version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "commit": _commit(),
    }


def _commit() -> str | None:
    """The commit of the clone that this is, marked where files differ from it."""
    folder = Path(__file__).parent
    try:
        git = lambda *words: subprocess.run(
            ["git", *words], cwd=folder, capture_output=True, text=True, check=True
        ).stdout.strip()
        changed = git("status", "--porcelain", "--untracked-files=no", "--", str(folder.parent))
        return git("rev-parse", "HEAD") + (" with changes" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _read(path: Path) -> dict[str, Any] | None:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def _write(path: Path, record: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    os.replace(temporary, path)
