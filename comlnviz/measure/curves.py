"""Memory and run time against the length of the inner loop, for many methods, resumable."""

import dataclasses
import json
import os
import signal
import time
from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from ..counts import check_counts
from .apart import Apart, from_json
from .device import device_name, find_device
from .measurement import Measurement
from .methods import METHODS, check_methods
from .problem import Problem
from .solving import Solving

LENGTHS = tuple(10**k for k in range(9))  # gradient steps; T from 0.01 to 10⁶
_PAUSE = 0.02  # seconds between looks at what is under way
Say = Callable[[str], None]


class Course(NamedTuple):
    """A method that is measured on a problem at growing lengths, until one is too much."""

    method: str
    problem: Problem
    lengths: tuple[int, ...]
    solving: Solving = Solving()


def plan(
    problems: Iterable[Problem],
    methods: Iterable[str] = METHODS,
    lengths: Iterable[int] = LENGTHS,
    solving: Solving = Solving(),  # noqa: B008
) -> list[Course]:
    """Every method on every problem that it fits, problem after problem.

    Methods that take gradient steps take them whatever the `solving`.

    **Raises** `ValueError` for an unknown method, and for no or senseless lengths.
    """
    methods, lengths = tuple(methods), tuple(lengths)
    check_methods(methods)
    if not lengths or min(lengths) < 1:
        raise ValueError(f"lengths are numbers of steps, from 1 on; got {list(lengths)}.")
    return [
        Course(method, problem, lengths, METHODS[method].solving(solving))
        for problem in problems
        for method in methods
        if METHODS[method].fits(problem)
    ]


def sweep(
    out: Path,
    courses: Iterable[Course],
    *,
    memory_limit: float,
    timeout: float,
    repeats: int = 5,
    device: str | None = None,
    again: bool = False,
    errors: bool = True,
    jobs: int = 1,
    say: Say = print,
) -> Path:
    """Measure along each course, until a length is too much; the file with the points.

    Where one takes too long, longer ones are only compiled and weighed, until memory is too little.
    What the file has is not measured again, so that an interrupted sweep goes on; with `again` it
    is, and each new point takes the place of the old.

    **Arguments:**

    - `out`: the folder; the file is named after the device.
    - `courses`: see `plan`.
    - `memory_limit`, `timeout`, `repeats`, `device`, `errors`: of each point, see `measure` and
      `Apart`.
    - `jobs`: processes at once. They compile side by side; while one is timed the others stop.

    **Raises** `ValueError` for a device that is not there, for `jobs` below 1, and for more than
    one where processes cannot be stopped; `RuntimeError`, in the end, where something failed that
    no point can tell of.
    """
    check_counts(jobs=jobs)
    if jobs > 1 and not hasattr(signal, "SIGSTOP"):
        raise ValueError(f"This system cannot stop processes: jobs must be 1; got {jobs}.")
    found_device = find_device(device)
    path = out / f"{device_name(found_device)}.json"
    points = {_key(point): point for point in load(path)} if path.is_file() else {}
    waiting = [_along(course, {} if again else points) for course in courses]
    under_way: dict[Apart, _Orders] = {}
    failures: list[str] = []

    def order(orders: "_Orders", found: Measurement | None) -> None:
        try:
            (method, length, problem, solving), slow = orders.send(found)
        except StopIteration:
            return
        say(f"{method}, {length:,} steps, {problem.backbone}, {problem.shots} shot(s)")
        apart = Apart(
            method, length, problem, solving=solving, repeats=0 if slow else repeats,
            memory_limit=memory_limit, timeout=timeout, device=device, errors=errors,
            gated=True,
        )  # fmt: skip
        under_way[apart] = orders

    def collect(apart: Apart) -> None:
        try:
            found = apart.poll()
        except RuntimeError as error:
            under_way.pop(apart)
            failures.append(str(error))
            say(f"  {error}")
            return
        if found is not None:
            points[_key(found)] = found
            _write(path, found_device, list(points.values()))
            if found.status != "ok":
                say(f"  {found.method}, {found.length:,}: {found.status}: {found.why}")
            order(under_way.pop(apart), found)

    try:
        while waiting or under_way:
            while waiting and len(under_way) < jobs:
                order(waiting.pop(0), None)
            for apart in list(under_way):
                collect(apart)
            _take_turns(under_way)
            time.sleep(_PAUSE)
    finally:
        for apart in under_way:
            apart.cancel()
    if failures:
        raise RuntimeError(failures[0])
    return path


def _take_turns(all_: Collection[Apart]) -> None:
    """Of those that would run let one; until it has, the others stand still."""
    running = [apart for apart in all_ if apart.running]
    waiting = [apart for apart in all_ if apart.waiting]
    turn = (running or waiting or [None])[0]
    for apart in all_:
        apart.pause(turn is not None and apart is not turn)
    if turn is not None and turn.waiting:
        turn.admit()


_Orders = Generator[tuple[tuple[str, int, Problem, Solving], bool], Measurement | None, None]


def _along(course: Course, points: dict[tuple, Measurement]) -> _Orders:
    """What is to be measured next, and whether it is only to be weighed; it is told the point."""
    method, problem, lengths, solving = course
    slow = False
    for length in lengths:
        point = points.get((method, length, problem, solving))
        if point is None:
            point = yield (method, length, problem, solving), slow
        if point is None or point.status == "ok":
            continue
        slow = point.status == "out of time" and point.temporary_bytes is not None
        if not slow:
            break


def _key(point: Measurement) -> tuple:
    return point.method, point.length, Problem(**point.problem), point.solving


def load(path: Path) -> list[Measurement]:
    """The points of a file."""
    return [from_json(point) for point in json.loads(path.read_text(encoding="utf-8"))["points"]]


@dataclasses.dataclass(frozen=True)
class Extrapolated:
    """Where a curve goes by its formula, never by measurement.

    **Fields:** `method`; `lengths`, of which the first is the last that was measured; `values`.
    """

    method: str
    lengths: tuple[int, ...]
    values: tuple[float, ...]


def extrapolate(
    points: Sequence[Measurement], what: str, lengths: Iterable[int] = LENGTHS
) -> Extrapolated | None:
    """Carry a curve on beyond its last measured point, as a + b·(the method's formula).

    a and b ≥ 0 are those of the last two measured points, so that what a method takes whatever the
    length does not pass for growth. `None` for what cannot be carried on: fewer than two points,
    nothing beyond them, or the time of a method whose solver chooses its own steps.

    **Arguments:**

    - `points`: of one method and one problem.
    - `what`: "temporary_bytes" by the formula of COMLN's Table 1; "seconds", which grow with the
      number of steps.

    **Raises** `ValueError` for something else.
    """
    if what not in ("temporary_bytes", "seconds"):
        raise ValueError(f"There is no formula for {what!r}: temporary_bytes or seconds.")
    known = sorted((p for p in points if getattr(p, what) is not None), key=lambda p: p.length)
    if len(known) < 2:
        return None
    method, last = METHODS[known[-1].method], known[-1]
    beyond = tuple(length for length in lengths if length > last.length)
    if not beyond or (what == "seconds" and not method.steps):
        return None
    problem, size = Problem(**last.problem), last.parameters or 0
    grown = lambda n: method.numbers(problem, n, size) if what == "temporary_bytes" else n
    x, y = (
        [f(p) for p in known[-2:]] for f in (lambda p: grown(p.length), lambda p: getattr(p, what))
    )
    b = max(0.0, (y[1] - y[0]) / (x[1] - x[0])) if x[1] > x[0] else 0.0
    values = tuple(float(y[1] + b * (grown(length) - x[1])) for length in beyond)
    return Extrapolated(last.method, (last.length, *beyond), (float(y[1]), *values))


def slope(x: Iterable[float], y: Iterable[float]) -> float:
    """The power of x that y grows with: the slope on log-log axes."""
    return float(np.polyfit(np.log(list(x)), np.log(list(y)), 1)[0])


def _write(path: Path, device: Any, points: list[Measurement]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    record: dict[str, Any] = {
        "device": device.device_kind,
        "name": path.stem,
        "jax": jax.__version__,
        "points": [dataclasses.asdict(point) for point in points],
    }
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    os.replace(temporary, path)
