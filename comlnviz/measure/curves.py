"""Memory and run time against the length of the inner loop, for many methods, resumable."""

import dataclasses
import json
import os
import platform
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from .apart import from_json, measure_apart
from .measurement import Measurement
from .methods import METHODS
from .problem import Problem

LENGTHS = tuple(10**k for k in range(9))  # gradient steps; T from 0.01 to 10⁶
Say = Callable[[str], None]


def device_name() -> str:
    """Of the device that JAX uses, as a file name can bear it."""
    device = jax.devices()[0]
    if device.platform == "cpu":
        return f"cpu-{os.cpu_count()}-cores-{platform.machine()}"
    return device.device_kind.lower().replace(" ", "-")


def sweep(
    out: Path,
    problem: Problem,
    *,
    methods: Iterable[str] = METHODS,
    lengths: Iterable[int] = LENGTHS,
    memory_limit: float,
    timeout: float,
    repeats: int = 5,
    say: Say = print,
) -> Path:
    """Measure each method at growing lengths, until one is too much; the file with the points.

    What the file has is not measured again, so that an interrupted sweep goes on.
    """
    methods = tuple(methods)
    unknown = [name for name in methods if name not in METHODS]
    if unknown:
        raise ValueError(f"There is no method {unknown[0]!r}: choose from {'; '.join(METHODS)}.")
    path = out / f"{device_name()}.json"
    points = load(path) if path.is_file() else []
    fields = dataclasses.asdict(problem)
    known = {(m.method, m.length): m for m in points if m.problem == fields}
    for method in methods:
        for length in lengths:
            found = known.get((method, length))
            if found is None:
                say(f"{method}, {length:,} steps, {problem.backbone}, {problem.shots} shot(s)")
                found = measure_apart(
                    method, length, problem, repeats=repeats, memory_limit=memory_limit,
                    timeout=timeout,
                )  # fmt: skip
                points.append(found)
                _write(path, points)
            if found.status != "ok":
                say(f"  {found.status}: {found.why}")
                break
    return path


def load(path: Path) -> list[Measurement]:
    """The points of a file."""
    return [from_json(point) for point in json.loads(path.read_text(encoding="utf-8"))["points"]]


def slope(x: Iterable[float], y: Iterable[float]) -> float:
    """The power of x that y grows with: the slope on log-log axes."""
    return float(np.polyfit(np.log(list(x)), np.log(list(y)), 1)[0])


def _write(path: Path, points: list[Measurement]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    record: dict[str, Any] = {
        "device": jax.devices()[0].device_kind,
        "name": path.stem,
        "jax": jax.__version__,
        "points": [dataclasses.asdict(point) for point in points],
    }
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    os.replace(temporary, path)
