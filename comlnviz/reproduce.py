"""What ``comlnviz reproduce`` shows while tables are computed, and what it says in the end."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import rich
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table as Grid

from .data import DataError
from .papers import EXPERIMENTS, Failure, Result, Table, Watch, pool_of, result, sweep

COLOURS = {"holds": "green", "does not hold": "red", "undecided": "yellow"}


def reproduce(
    tables: Sequence[Table],
    scratch: Path,
    *,
    only: str = "",
    workers: int = 1,
    scheduler: str | None = None,
) -> bool:
    """Compute what the tables have not, and show it; whether all of it was computed.

    Cells whose data is not here do not count: they are named. Arguments as those of `sweep` and
    `pool_of`; **raises** what these raise.
    """
    console = rich.get_console()
    with pool_of(workers, scheduler) as pool:
        with Display(console, None if scheduler else workers) as display:
            failures = sweep(tables, scratch, pool, display, only)
    failed = [failure for failure in failures if not isinstance(failure.error, DataError)]
    _name_skipped(console, failures)
    for job, error in failed:
        said = (str(error).splitlines() or [""])[0]
        console.print(
            f"Failed: {job}: {type(error).__name__}: {said}", markup=False, soft_wrap=True
        )
    _claims(console, tables)
    return not failed


def default_workers() -> int:
    """JAX keeps about two cores busy with a cell; a GPU is for one process."""
    import jax

    return max(1, (os.cpu_count() or 1) // 2) if jax.default_backend() == "cpu" else 1


class Display(Watch):
    """A bar for all cells, one for each table, and a line as a cell ends.

    A context; `workers` is `None` where their number is not known.
    """

    def __init__(self, console: Console, workers: int | None) -> None:
        self._console, self._workers = console, workers
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
            TimeElapsedColumn(), console=console,
        )  # fmt: skip
        self._all = self._progress.add_task("All cells", total=None)
        self._bars: dict[str, Any] = {}

    def __enter__(self) -> "Display":
        return self

    def __exit__(self, *_: Any) -> None:
        self._progress.stop()

    def planned(self, jobs):
        """See `Watch`."""
        for sentence in estimate(jobs, self._workers):
            self.say(sentence)
        self._progress.update(self._all, total=len(jobs))
        if not jobs:
            return
        for name, count in Counter(job.identifier for job in jobs).items():
            self._bars[name] = self._progress.add_task(f"  {name}", total=count, start=False)
        self._progress.start()

    def begun(self, job):
        """See `Watch`."""
        self._progress.start_task(self._bars[job.identifier])

    def ended(self, job, numbers):
        """See `Watch`."""
        self.say(f"{job}: {described(numbers, EXPERIMENTS[job.identifier].form)}")
        for bar in (self._all, self._bars[job.identifier]):
            self._progress.advance(bar)

    def say(self, sentence):
        """See `Watch`."""
        self._console.print(sentence, markup=False, highlight=False, soft_wrap=True)


def described(numbers: Mapping[str, Any] | None, form: str) -> str:
    """What came out of a cell, in a few words."""
    if numbers is None:
        return "failed"
    if "failed" in numbers:
        return f"diverged, after {duration(numbers['seconds'])}"
    mean = f"{numbers['mean']:{form}} ± {numbers['ci95']:{form}}, " if "ci95" in numbers else ""
    return f"{mean}{duration(numbers['seconds'])}"


def estimate(jobs: Sequence[Any], workers: int | None) -> list[str]:
    """Sentences on how long jobs take, by the results that are stored with the package."""
    if not jobs:
        return ["Nothing is left to compute."]
    stored = {(j.identifier, j.preset): _stored(j.identifier, j.preset) for j in jobs}
    known, unknown = [], Counter()
    for job in jobs:
        cells = stored[job.identifier, job.preset]
        if job.cell in cells:
            known.append(cells[job.cell])
        else:
            unknown[job.identifier] += 1
    sentences = [f"{len(jobs)} cells are to be computed."]
    if known:
        devices = ", ".join(dict.fromkeys(cell["device"] for cell in known))
        seconds = [cell["seconds"] for cell in known]
        took = duration(sum(seconds))
        sentences.append(
            f"{len(known)} of them took {took} in all when they were stored ({devices})."
        )
        if workers is not None and workers > 1:
            least = max(max(seconds), sum(seconds) / workers)
            sentences[-1] += f" {workers} workers need at least {duration(least)} for as much."
    if unknown:
        names = ", ".join(f"{count} of {name}" for name, count in unknown.items())
        sentences.append(f"How long the others take is not known: {names}.")
    return sentences


def duration(seconds: float) -> str:
    """In the units that a person would use."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def _stored(identifier: str, preset: str) -> Mapping[str, Any]:
    try:
        return result(identifier, preset).cells
    except FileNotFoundError:
        return {}


def _name_skipped(console: Console, failures: Sequence[Failure]) -> None:
    skipped = [failure for failure in failures if isinstance(failure.error, DataError)]
    for why in dict.fromkeys(str(failure.error) for failure in skipped):
        names = Counter(f.job.identifier for f in skipped if str(f.error) == why)
        cells = ", ".join(f"{count} cells of {name}" for name, count in names.items())
        said = f"Skipped {cells}: {why}"
        console.print(said, markup=False, highlight=False, soft_wrap=True)


def _claims(console: Console, tables: Sequence[Table]) -> None:
    """A row for each claim of the tables that are there, and how many there are of each verdict."""
    grid = Grid("table", "claim", "here", "why", title="Claims")
    counts, absent = Counter(), []
    for table in tables:
        try:
            found = result(table.identifier, table.name, table.out)
        except FileNotFoundError:
            absent.append(table.identifier)
            continue
        for finding in found.findings:
            counts[finding.verdict] += 1
            colour = COLOURS[finding.verdict]
            grid.add_row(
                _named(found), finding.claim, f"[{colour}]{finding.verdict}[/]", finding.why
            )
    if grid.row_count:
        console.print(grid)
    total = ", ".join(f"{counts[verdict]} {verdict}" for verdict in COLOURS)
    none = f" No numbers of {', '.join(absent)}." if absent else ""
    said = f"Of {sum(counts.values())} claims: {total}.{none}"
    console.print(said, highlight=False, soft_wrap=True)


def _named(found: Result) -> str:
    return found.record["identifier"] + ("" if found.record["complete"] else " (not complete)")
