"""An experiment at one size, its cells as jobs, and the file that their numbers are gathered in.

A cell's numbers are first a file of their own, `.cells/KEY.json` beside the table's, where KEY is a
hash of the cell's settings: whoever computes the cell writes it, whole or not at all, and whoever
comes later finds that it is done. The table's file is made of these, and of what it had.
"""

import dataclasses
import functools
import hashlib
import json
import os
import platform
import subprocess
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..data import DataError, lacking
from ..training import TrainingError
from .experiment import Experiment, Preset
from .published import published

FORMAT = 1
PACKAGES = ("comlnviz", "jax", "jaxlib", "diffrax", "equinox", "optax", "lineax", "numpy")
_PARTS = {"identifier", "title", "claim", "preset", "complete", "protocol", "published", "cells"}


@dataclasses.dataclass(frozen=True)
class Job:
    """A cell to compute, and the file that its numbers go into."""

    identifier: str
    preset: str
    cell: str
    compute: Callable[[Path], dict[str, Any]]
    file: Path
    scratch: Path

    def __str__(self) -> str:
        return f"{self.identifier}, {self.preset}: {self.cell}"


def perform(job: Job) -> None:
    """Compute a cell and write its file, unless that is there."""
    if job.file.is_file():
        return
    began = time.monotonic()
    try:
        numbers = job.compute(job.scratch)
    except TrainingError as error:  # a result too: the same call would diverge again
        numbers = {"failed": str(error)}
    seconds = round(time.monotonic() - began, 1)
    _write(job.file, {**numbers, "seconds": seconds, **_circumstances()})


@dataclasses.dataclass(frozen=True)
class Table:
    """What an experiment computes at one size.

    **Fields:**

    - `experiment`: which.
    - `name`: of the preset.
    - `out`: the folder of the file.
    """

    experiment: Experiment
    name: str
    out: Path

    @functools.cached_property
    def preset(self) -> Preset:
        """The size."""
        return self.experiment.preset(self.name)()

    @property
    def identifier(self) -> str:
        """Of the experiment."""
        return self.experiment.identifier

    @property
    def path(self) -> Path:
        """The file."""
        return self.out / f"{self.identifier}-{self.name}.json"

    @functools.cached_property
    def protocol(self) -> Any:
        """As a file has it."""
        return json.loads(json.dumps(self.preset.protocol))

    def lacking(self) -> DataError | None:
        """Why nothing can be computed: of the data that it reads, none is here."""
        errors = [lacking(name) for name in self.preset.data]
        return errors[0] if errors and all(errors) else None

    def job(self, cell: str, scratch: Path) -> Job:
        """What computes a cell; `scratch` is the folder of everybody's checkpoints."""
        settings = [FORMAT, self.identifier, self.name, self.protocol, cell]
        key = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:24]
        return Job(
            self.identifier,
            self.name,
            cell,
            self.preset.cells[cell],
            (self.out / ".cells" / f"{key}.json").absolute(),
            (scratch / self.identifier / self.name).absolute(),
        )

    def cells(self) -> dict[str, Any]:
        """What the file has of the present protocol. **Raises** `ValueError` as `read_record`."""
        record = read_record(self.path)
        return record["cells"] if record and record["protocol"] == self.protocol else {}

    def gather(self, say: Callable[[str], None]) -> dict[str, Any]:
        """Bring cells that were computed into the table's file, and return all that it has.

        The file is written anew, whole. Results of another protocol are not mixed in: they are set
        aside, under a name that is free. **Raises** `ValueError` as `read_record` does.
        """
        cells = self.cells()
        files = {cell: self.job(cell, Path()).file for cell in self.preset.cells}
        new = {
            cell: json.loads(file.read_text(encoding="utf-8"))
            for cell, file in files.items()
            if cell not in cells and file.is_file()
        }
        if not new:
            return cells
        if not cells and self.path.exists():
            aside = self._aside()
            os.replace(self.path, aside)
            say(f"{self.path.name} was of another protocol; it is now {aside.name}.")
        cells |= new
        cells = {cell: cells[cell] for cell in self.preset.cells if cell in cells}
        _write(self.path, {
            "format": FORMAT,
            "identifier": self.identifier,
            "title": self.experiment.title,
            "claim": self.experiment.claim,
            "preset": self.name,
            "complete": len(cells) == len(self.preset.cells),
            "protocol": self.protocol,
            "published": published(self.identifier),
            "cells": cells,
        })  # fmt: skip
        return cells

    def clear(self) -> None:
        """Delete the files of cells that the table's file has. Not while anybody is at work."""
        folder = self.out / ".cells"
        for cell in self.cells():
            self.job(cell, Path()).file.unlink(missing_ok=True)
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()

    def _aside(self) -> Path:
        number, path = 1, self.path.with_suffix(".earlier.json")
        while path.exists():
            number += 1
            path = self.path.with_suffix(f".earlier-{number}.json")
        return path


def read_record(path: Path) -> dict[str, Any] | None:
    """What a table's file has; `None` when there is no such file.

    **Raises** `ValueError` for a file of another format, and for what is no such file at all.
    """
    if not path.is_file():
        return None
    remedy = "move it away, or name another folder (--out)"
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} cannot be read as results ({error}): {remedy}.") from None
    form = record.get("format", FORMAT) if isinstance(record, dict) else None
    if form != FORMAT:
        raise ValueError(
            f"{path} has results in format {form}, of another version of comlnviz; this one, "
            f"{version('comlnviz')}, reads and writes format {FORMAT}: {remedy}."
        )
    if not record.keys() >= _PARTS:
        absent = ", ".join(sorted(_PARTS - record.keys()))
        raise ValueError(f"{path} has no results of comlnviz, for want of {absent}: {remedy}.")
    return record


def _circumstances() -> dict[str, Any]:
    """On what a cell was computed: a table may be taken up on another machine."""
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


def _write(path: Path, value: dict[str, Any]) -> None:
    """The file is whole or not there, also when this process is killed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
    os.replace(temporary, path)
