"""A measurement in a process of its own: too large or too slow is an answer, not a crash."""

import dataclasses
import json
import subprocess
import sys
from typing import Any

from .measurement import Measurement, measure
from .problem import Problem


def measure_apart(
    method: str,
    length: int,
    problem: Problem,
    *,
    repeats: int = 5,
    memory_limit: float = float("inf"),
    timeout: float = 60.0,
) -> Measurement:
    """As `measure`, in a child process that is given `timeout` seconds, its start and compilation
    included.

    A child that the system kills for want of memory, or that the device refuses memory, is "out of
    memory"; one that does not finish is "out of time".

    **Raises** `RuntimeError`, with the child's last words, when it fails in another way.
    """
    order = dict(
        method=method, length=length, problem=dataclasses.asdict(problem), repeats=repeats,
        memory_limit=memory_limit,
    )  # fmt: skip
    ended: dict[str, Any] = dict(method=method, length=length, problem=order["problem"])
    try:
        child = subprocess.run(
            [sys.executable, "-m", __name__], input=json.dumps(order), capture_output=True,
            text=True, timeout=timeout,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        why = f"It did not finish within {timeout:g} s."
        return Measurement(**ended, status="out of time", why=why)
    if child.returncode == 0:
        answer = json.loads(child.stdout.splitlines()[-1])
        return from_json(answer)
    if child.returncode == -9 or "RESOURCE_EXHAUSTED" in child.stderr:
        why = "The device had no memory left."
        return Measurement(**ended, status="out of memory", why=why)
    last = child.stderr.strip().splitlines()[-1:] or ["nothing"]
    raise RuntimeError(f"Measuring {method} at {length} steps failed; its last words: {last[0]}")


def from_json(answer: dict[str, Any]) -> Measurement:
    """A measurement read back."""
    spread = answer.get("spread")
    return Measurement(**{**answer, "spread": None if spread is None else tuple(spread)})


def main() -> None:
    """Read what to measure from the standard input, write what was found to the output."""
    order = json.load(sys.stdin)
    order["problem"] = Problem(**order["problem"])
    print(json.dumps(dataclasses.asdict(measure(**order))))


if __name__ == "__main__":
    main()
