"""Memory and run time against the length of the inner loop, for many methods, resumable."""

import dataclasses
import json
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from .apart import from_json, measure_apart
from .device import device_name, find_device
from .measurement import Measurement
from .methods import METHODS, check_methods
from .problem import Problem

LENGTHS = tuple(10**k for k in range(9))  # gradient steps; T from 0.01 to 10⁶
Say = Callable[[str], None]


def sweep(
    out: Path,
    problem: Problem,
    *,
    methods: Iterable[str] = METHODS,
    lengths: Iterable[int] = LENGTHS,
    memory_limit: float,
    timeout: float,
    repeats: int = 5,
    device: str | None = None,
    again: bool = False,
    say: Say = print,
) -> Path:
    """Measure each method at growing lengths, until one is too much; the file with the points.

    Where one takes too long, longer ones are only compiled and weighed, until memory is too little.
    What the file has is not measured again, so that an interrupted sweep goes on; with `again` it
    is, and each new point takes the place of the old. Methods that do not fit the problem are left
    out.

    **Raises** `ValueError` for an unknown method, for no or senseless lengths, and for a device
    that is not there.
    """
    methods = tuple(methods)
    check_methods(methods)
    lengths = tuple(lengths)
    if not lengths or min(lengths) < 1:
        raise ValueError(f"lengths are numbers of steps, from 1 on; got {list(lengths)}.")
    found_device = find_device(device)
    path = out / f"{device_name(found_device)}.json"
    points = {_key(point): point for point in load(path)} if path.is_file() else {}
    for method in methods:
        if not METHODS[method].fits(problem):
            continue
        slow = False
        for length in lengths:
            key = (method, length, *dataclasses.astuple(problem))
            if again or key not in points:
                say(f"{method}, {length:,} steps, {problem.backbone}, {problem.shots} shot(s)")
                points[key] = measure_apart(
                    method, length, problem, repeats=0 if slow else repeats,
                    memory_limit=memory_limit, timeout=timeout, device=device,
                )  # fmt: skip
                _write(path, found_device, list(points.values()))
            point = points[key]
            if point.status == "ok":
                continue
            say(f"  {point.status}: {point.why}")
            slow = point.status == "out of time" and point.temporary_bytes is not None
            if not slow:
                break
    return path


def _key(point: Measurement) -> tuple:
    return point.method, point.length, *dataclasses.astuple(Problem(**point.problem))


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
