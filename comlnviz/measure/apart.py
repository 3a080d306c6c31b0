"""A measurement in a process of its own: too large or too slow is an answer, not a crash."""

import dataclasses
import json
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from .measurement import RUNNING, Measurement, check, measure
from .methods import METHODS
from .problem import Problem
from .solving import Solving


class Apart:
    """As `measure`, under way in a child process.

    Ask `poll` now and then, `wait` for the end, or `cancel`. A child that the system kills for
    want of memory, or that the device refuses memory, is "out of memory"; one that does not finish
    within `timeout` seconds, its start and compilation included, is "out of time"; one that the
    compiler aborts is "failed".

    With `gated` it runs what is timed only when it is let, see `waiting` and `admit`; and it can be
    made to `pause`. So many may compile at once, and each be timed alone. The time that it waits or
    pauses does not count.

    **Raises** `ValueError` for an unknown method and for one that does not fit the problem, or the
    solver.
    """

    def __init__(
        self,
        method: str,
        length: int,
        problem: Problem,
        *,
        solving: Solving = Solving(),  # noqa: B008
        repeats: int = 5,
        memory_limit: float = float("inf"),
        timeout: float = 60.0,
        device: str | None = None,
        errors: bool = True,
        gated: bool = False,
    ) -> None:
        check(method, length, problem, solving)
        solving = METHODS[method].solving(solving)
        self._order: dict[str, Any] = dict(
            method=method, length=length, problem=dataclasses.asdict(problem),
            solving=dataclasses.asdict(solving), repeats=repeats, memory_limit=memory_limit,
            device=device, errors=errors, gated=gated,
        )  # fmt: skip
        self.timeout, self._began = timeout, time.monotonic()
        self._gated, self._admitted, self._paused, self._polled = gated, False, False, self._began
        self._found: Measurement | None = None
        # Files, not pipes: nobody need read them for the child to go on. They are read by their
        # names: a handle that the child has too would move the place at which it writes.
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self._said, self._complaints = (Path(self._folder.name, name) for name in ("out", "err"))
        with self._said.open("wb") as out, self._complaints.open("wb") as err:
            self._child = subprocess.Popen(
                [sys.executable, "-m", __name__, json.dumps(self._order)],
                stdin=subprocess.PIPE if gated else subprocess.DEVNULL, stdout=out, stderr=err,
            )  # fmt: skip

    @property
    def seconds(self) -> float:
        """Since the start, less those that it was seen to wait or pause."""
        return time.monotonic() - self._began

    @property
    def stage(self) -> str:
        """What the child is doing."""
        lines = self._lines()
        return lines[-1]["stage"] if lines else "starting"

    @property
    def waiting(self) -> bool:
        """Whether it would run, and is not let."""
        return self._gated and not self._admitted and self.stage == RUNNING

    @property
    def running(self) -> bool:
        """Whether it runs what is timed, having been let."""
        return self._admitted and self.stage == RUNNING

    def admit(self) -> None:
        """Let it run."""
        self._admitted = True
        pipe: Any = self._child.stdin
        try:
            pipe.write(b"\n")
            pipe.flush()
        except OSError:
            pass  # it has ended; `poll` says how

    def pause(self, paused: bool) -> None:
        """Stop it where it is, or let it go on."""
        if paused != self._paused and self._child.poll() is None:
            self._child.send_signal(signal.SIGSTOP if paused else signal.SIGCONT)
            self._paused = paused

    def poll(self) -> Measurement | None:
        """The measurement; `None` while it is under way.

        **Raises** `RuntimeError`, with the child's last words, when it fails in another way than
        by running out of memory or time; and when it was cancelled.
        """
        if self._found is None:
            if not self._said.exists():
                raise RuntimeError("The measurement was cancelled.")
            code, now = self._child.poll(), time.monotonic()
            if self.waiting or self._paused:
                self._began += now - self._polled
            self._polled = now
            if code is None and self.seconds < self.timeout:
                return None
            try:
                self._found = self._outcome(code)
            finally:
                self.cancel()
        return self._found

    def _outcome(self, code: int | None) -> Measurement:
        """What the child's lines and the code it ended with (`None`: it has not) come to."""
        found = [line["found"] for line in self._lines() if line["found"] is not None]
        known = {name: self._order[name] for name in ("method", "length", "problem")}
        known |= self._order["solving"]
        known = found[-1] if found else known
        if code is None and known.get("seconds") is None:
            why = f"It did not finish within {self.timeout:g} s."
            return from_json(known | {"status": "out of time", "why": why})
        if code is None and known.get("error") is None:
            why = f"The reference took longer than {self.timeout:g} s."
            return from_json(known | {"error_why": why})
        if code in (0, None):
            return from_json(known)
        words = self._complaints.read_text(errors="replace")
        if code == -9 or "RESOURCE_EXHAUSTED" in words:
            why = "The device had no memory left."
            return from_json(known | {"status": "out of memory", "why": why})
        if code == -signal.SIGABRT:  # so XLA ends where its own numbers overflow
            _, start, rest = words.partition("Check failed")
            reason, *_ = (start + rest).split("\n")
            why = f"XLA ended the process: {reason[:200]}"
            return from_json(known | {"status": "failed", "why": why})
        last = words.strip().splitlines()[-1:] or ["nothing"]
        method, length = self._order["method"], self._order["length"]
        raise RuntimeError(
            f"Measuring {method} at {length} steps failed; its last words: {last[0]}"
        )

    def wait(self) -> Measurement:
        """The measurement, when it is there."""
        try:
            while (found := self.poll()) is None:
                try:
                    self._child.wait(max(0.0, self.timeout - self.seconds))
                except subprocess.TimeoutExpired:
                    pass
            return found
        finally:
            self.cancel()

    def cancel(self) -> None:
        """End the child."""
        self._child.kill()
        self._child.wait()
        if self._child.stdin is not None:
            self._child.stdin.close()
        self._folder.cleanup()

    def _lines(self) -> list[dict[str, Any]]:
        said = self._said.read_text(errors="replace") if self._said.exists() else ""
        whole, _, _ = said.rpartition("\n")  # a last line may not be complete
        return [json.loads(line) for line in whole.splitlines()]


def from_json(answer: dict[str, Any]) -> Measurement:
    """A measurement read back."""
    spread = answer.get("spread")
    return Measurement(**{**answer, "spread": None if spread is None else tuple(spread)})


def main() -> None:
    """Measure what the argument asks for; a line for each stage, with what is known by then."""
    order = json.loads(sys.argv[1])
    gated = order.pop("gated")

    def say(stage: str, found: Measurement | None) -> None:
        known = None if found is None else dataclasses.asdict(found)
        print(json.dumps({"stage": stage, "found": known}), flush=True)
        if gated and stage == RUNNING:
            sys.stdin.readline()

    order["problem"] = Problem(**order["problem"])
    order["solving"] = Solving(**order["solving"])
    say("done", measure(**order, say=say))


if __name__ == "__main__":
    main()
