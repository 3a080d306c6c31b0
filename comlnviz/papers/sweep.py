"""Cells of any number of tables, computed by any number of workers; it can be killed anywhere."""

import collections
import concurrent.futures as cf
import graphlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .experiment import Experiment
from .pool import HERE, Pool
from .table import Job, Table, perform

Say = Callable[[str], None]


class Failure(NamedTuple):
    """A cell that has no numbers now, and why: a `DataError` where its data is not here."""

    job: Job
    error: BaseException


class Watch:
    """Who is told what happens; this one listens to nothing."""

    def planned(self, jobs: Sequence[Job]) -> None:
        """These have to be computed."""

    def begun(self, job: Job) -> None:
        """It has gone to the workers."""

    def ended(self, job: Job, numbers: Mapping[str, Any] | None) -> None:
        """Its numbers are in the table's file, or it failed."""

    def say(self, sentence: str) -> None:
        """Something else to know."""


class Saying(Watch):
    """A sentence as each cell begins."""

    def __init__(self, say: Say, table: Table) -> None:
        self._say = say
        self._names = [*table.preset.cells]

    def begun(self, job: Job) -> None:
        """See `Watch`."""
        self.say(f"{job} ({self._names.index(job.cell) + 1} of {len(self._names)})")

    def say(self, sentence: str) -> None:
        """See `Watch`."""
        self._say(sentence)


def sweep(
    tables: Sequence[Table], scratch: Path, pool: Pool, watch: Watch, only: str = ""
) -> tuple[Failure, ...]:
    """Compute what the tables, all of one size, have not: of the cells whose names contain `only`.

    Each cell is a job of its own, whose numbers are on disk when it has ended, and in the table's
    file a moment later. Whatever is killed, workers or this process, the same call goes on: cells
    that ended are not computed again, trainings go on from their checkpoints. Cells that fail are
    returned, and hold up no other.

    **Raises** `ValueError`, before it begins, for a file of another version in a table's place.
    """
    for table in tables:
        table.cells()
    for table in tables:
        table.gather(watch.say)
        table.clear()
    owner = {table.identifier: table for table in tables}
    jobs: dict[tuple[str, str], Job] = {}
    failures: list[Failure] = []
    for table in tables:
        there, error = table.cells(), table.lacking()
        for cell in table.preset.cells:
            if cell in there or only not in cell:
                continue
            job = table.job(cell, scratch)
            if error is None:
                jobs[table.identifier, cell] = job
            else:
                failures.append(Failure(job, error))
    after = {(t.identifier, cell): keys for t in tables for cell, keys in t.preset.after.items()}
    order = graphlib.TopologicalSorter(
        {key: [k for k in after.get(key, ()) if k in jobs] for key in jobs}
    )
    order.prepare()
    rank = {key: place for place, key in enumerate(jobs)}
    watch.planned([*jobs.values()])
    ready, at_work = collections.deque(), {}
    try:
        while order.is_active():
            ready.extend(sorted(order.get_ready(), key=rank.__getitem__))
            while ready and len(at_work) < pool.room:
                key = ready.popleft()
                watch.begun(jobs[key])
                at_work[pool.executor.submit(perform, jobs[key])] = key
            ended, _ = cf.wait(at_work, return_when=cf.FIRST_COMPLETED)
            for future in ended:
                key = at_work.pop(future)
                order.done(key)
                job = jobs[key]
                numbers = owner[job.identifier].gather(watch.say).get(job.cell)
                if numbers is None:
                    failures.append(Failure(job, future.exception() or _nowhere(job)))
                watch.ended(job, numbers)
    finally:
        for future in at_work:
            future.cancel()
        for table in tables:
            table.gather(watch.say)
    for table in tables:
        table.clear()
    return tuple(failures)


def _nowhere(job: Job) -> Exception:
    return FileNotFoundError(
        f"It was computed, but its numbers are not in {job.file.parent}: this folder must be one "
        "that all workers share."
    )


def run(
    experiment: Experiment, name: str, out: Path, scratch: Path, say: Say, only: str = ""
) -> Path:
    """Compute what is missing of a preset, or of its cells whose names contain `only`; the file.

    One after another, here: see `sweep`.

    **Raises** `ValueError` as `sweep` does and when no cell has such a name, `DataError` when the
    data is not here, and what else made a cell fail.
    """
    table = Table(experiment, name, out)
    check_names([table], only)
    failures = sweep([table], scratch, HERE, Saying(say, table), only)
    if failures:
        raise failures[0].error
    return table.path


def check_names(tables: Sequence[Table], only: str) -> None:
    """**Raises** `ValueError` when no cell has a name that contains `only`."""
    names = [cell for table in tables for cell in table.preset.cells]
    if not any(only in name for name in names):
        there = "; ".join(names)
        if len(tables) > 1:  # hundreds of cells
            there = f"{len(names)} in {len(tables)} tables and figures: name one to see its cells"
        raise ValueError(f"There is no cell whose name contains {only!r}; there are {there}.")
