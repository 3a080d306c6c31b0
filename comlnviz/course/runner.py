"""Run a submission's cells in a process of its own, within limits of time and memory."""

import atexit
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from time import monotonic
from typing import Any

WORKER = Path(__file__).with_name("worker.py")
# One thread each: a process that is forked must not have more.
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
# A cache of compiled programs is shared, and a submission may not write to it.
_WITHHELD = ("JAX_COMPILATION_CACHE_DIR",)
_PATIENCE = 60.0  # seconds until a process has started


@dataclass(frozen=True)
class Limits:
    """What a submission may use.

    **Fields**

    - `seconds`: for one cell.
    - `memory`: bytes, of all cells together.
    """

    seconds: float = 30.0
    memory: int = 2 * 2**30


@dataclass(frozen=True)
class Outcome:
    """What came of a cell: its outputs, as nbformat has them, and the last of them if an error."""

    outputs: list[dict[str, Any]] = field(default_factory=list)
    error: dict[str, Any] | None = None


def run(
    sources: Sequence[str],
    names: Sequence[str],
    folder: Path,
    *,
    limits: Limits = Limits(),
    private: Sequence[Path] = (),
) -> list[Outcome]:
    """Execute cells one after the other in a copy of ``folder``, and return what came of each.

    A cell that fails leaves the others alone, as in a notebook. One that takes too long, or brings
    its process down, is stopped; those before it are run again, so that those after it find
    everything but its work.

    **Arguments**

    - `sources`, `names`: the cells' code, and what to call each in a message.
    - `folder`: what lies beside the notebook. The cells see a copy, which is thrown away.
    - `private`: folders that the cells may not read.

    **Raises** `RuntimeError` when no process can be started.
    """
    outcomes: dict[int, Outcome] = {}
    todo = list(range(len(sources)))
    while not outcomes.keys() >= set(todo):
        with tempfile.TemporaryDirectory(prefix="submission-", ignore_cleanup_errors=True) as place:
            own = Path(place) / "work"
            ignore = shutil.ignore_patterns("*.ipynb", ".ipynb_checkpoints")
            shutil.copytree(folder, own, ignore=ignore)
            request = {
                "folder": str(own),
                "private": [str(path) for path in private],
                "memory": limits.memory,
                "cells": [{"number": n, "source": sources[n]} for n in todo],
            }
            culprit, reason = _attempt(request, limits.seconds, outcomes)
        if culprit is not None:
            outcomes.setdefault(culprit, _stopped(names[culprit], reason))
            todo.remove(culprit)
    return [outcomes[n] for n in range(len(sources))]


def _attempt(
    request: dict[str, Any], seconds: float, outcomes: dict[int, Outcome]
) -> tuple[int | None, str]:
    """Run cells in one process until the last, or one that it cannot go on after: which, why."""
    waiting = [cell["number"] for cell in request["cells"]]
    connection = _worker().connection()
    child, megabytes = None, request["memory"] >> 20
    try:
        connection.send_bytes(json.dumps(request).encode())
        deadline = monotonic() + _PATIENCE
        while waiting:
            if not connection.poll(max(0.0, deadline - monotonic())):
                return waiting[0], f"took longer than {seconds:g} s and was stopped"
            message = json.loads(connection.recv_bytes())
            if "child" in message:
                child = message["child"]
            elif "started" in message:
                deadline = monotonic() + seconds
            else:
                error = message["failure"]
                if error and error["ename"].endswith("MemoryError"):  # it may still hold it all
                    return waiting[0], f"used more than {megabytes} MB and was stopped"
                outcomes.setdefault(waiting.pop(0), Outcome(message["outputs"], error))
        return None, ""
    except (EOFError, OSError, ValueError, KeyError):
        return waiting[0], "ended its own process, or brought it down for want of memory"
    finally:
        connection.close()
        _end(child)


def _stopped(name: str, reason: str) -> Outcome:
    sentence = f"{name} {reason}. The other questions were graded without it."
    error = {"ename": "Stopped", "evalue": sentence, "traceback": [f"Stopped: {sentence}"]}
    return Outcome([{"output_type": "error", **error}], error)


def _end(child: int | None) -> None:
    if child is not None:
        try:
            os.killpg(child, signal.SIGKILL)  # with whatever it has started
        except (ProcessLookupError, PermissionError):
            pass  # it has ended by itself


class _Worker:
    """The process that forks for each submission (`worker._serve`)."""

    def __init__(self) -> None:
        if os.name != "posix":
            raise RuntimeError("Submissions run on Linux and macOS only; take a container there.")
        environment = {k: v for k, v in os.environ.items() if k not in _WITHHELD} | _ONE_THREAD
        environment["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
        self._control, theirs = socket.socketpair()
        with theirs, tempfile.TemporaryFile() as log:
            self.process = subprocess.Popen(
                [sys.executable, "-P", str(WORKER), str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )
            theirs.close()
            if not self._control.recv(1):
                self.close()
                log.seek(0)
                lines = log.read().decode(errors="replace").strip().splitlines()
                raise RuntimeError(f"No process for submissions: {lines[-1] if lines else '?'}")

    def connection(self) -> Connection:
        """To a new child."""
        ours, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(self._control, [b"?"], [theirs.fileno()])
        return Connection(ours.detach())

    def close(self) -> None:
        self._control.close()
        self.process.kill()
        self.process.wait()


_workers: list[_Worker] = []


def _worker() -> _Worker:
    if not _workers or _workers[0].process.poll() is not None:
        close()
        _workers.append(_Worker())
    return _workers[0]


@atexit.register
def close() -> None:
    """End the process that waits for submissions; the next `run` starts another."""
    while _workers:
        _workers.pop().close()
