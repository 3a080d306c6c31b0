"""Where the time goes: a look of a few seconds at a computation that is under way."""

import _thread
import functools
import re
import shutil
import signal
import sys
import threading
import time
from collections import ChainMap, defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax

from ..algorithms.base import ADAPTATION, BACKBONE
from ..training.evaluate import DATA
from .programs import programs

REST = "the rest"
PARTS: tuple[str, ...] = (ADAPTATION, BACKBONE, DATA, REST)
_PATIENCE = 3.0  # seconds to the next interrupt: one that hits a callback of C code is lost
_COMPILER = ("compiler.py", "mlir.py", "partial_eval.py")  # of JAX
_OPERATION = re.compile(r'^ *(?:ROOT )?%?([\w.-]+) = .*op_name="([^"]*)"', re.MULTILINE)


class Profile(NamedTuple):
    """What a look showed.

    **Fields:**

    - `compiling`, `before`: seconds that the compiler took until the look began, and all of them.
    - `watched`: seconds that the look lasted.
    - `parts`: of `PARTS`, the share of the time that operations took, on whatever core.
    - `trace`: the folder with the trace; `None` when it ended before there was anything to see.
    """

    compiling: float
    before: float
    watched: float
    parts: Mapping[str, float]
    trace: Path | None


def profile(compute: Callable[[], Any], folder: Path, *, seconds: float = 2.0) -> Profile:
    """Compute until operations of programs fill a look of so many seconds; then interrupt it.

    To be called in the main thread. What `compute` does in its inner loops, in the network and in
    drawing tasks is told apart by the names that `jax.named_scope` gives in `comlnviz.algorithms`
    and `comlnviz.training`; a network that is adapted counts as adaptation. On a CPU the trace
    slows small operations down, and what the compiler has fused has one name.

    **Arguments:**

    - `compute`: stops at `KeyboardInterrupt`.
    - `folder`: for the trace, as TensorBoard and Perfetto read it.
    - `seconds`: that it is watched.

    **Raises** whatever `compute` does.
    """
    ended, sent = threading.Event(), threading.Event()
    compiled, began = _compiled(), time.monotonic()
    skip, looks, failures = len(compiled), [], []

    def watch() -> None:
        try:
            look()
        except Exception as error:
            failures.append(error)
        while not ended.is_set():
            sent.set()
            _thread.interrupt_main()
            ended.wait(_PATIENCE)

    def look() -> None:
        while not ended.wait(0.2):
            if _compiling():
                continue
            before, compiling = time.monotonic() - began, sum(compiled[skip:])
            shutil.rmtree(folder / "plugins", ignore_errors=True)
            jax.profiler.start_trace(folder, profiler_options=_options())
            ended.wait(seconds)
            watched = time.monotonic() - began - before  # writing the trace may take longer
            jax.profiler.stop_trace()
            seen = _seen(folder)
            if total := sum(seen.values()):
                parts = {part: seen[part] / total for part in PARTS}
                looks.append(Profile(compiling, before, watched, parts, folder))
            if total > watched / 5 and not _compiling():
                return

    watcher = threading.Thread(target=watch)
    # Where interrupts are ignored, as in the background of a script, none would arrive.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    watcher.start()
    try:
        try:
            compute()
        finally:
            ended.set()
            watcher.join()
    except KeyboardInterrupt:
        if not sent.is_set():
            raise
    finally:
        signal.signal(signal.SIGINT, before)
    if failures:
        raise failures[0]
    if looks:
        return looks[-1]
    parts = dict.fromkeys(PARTS, 0.0)
    return Profile(sum(compiled[skip:]), time.monotonic() - began, 0.0, parts, None)


def self_seconds(events: list[tuple[float, float, str]]) -> Mapping[str, float]:
    """Seconds by name, of each event less those of the events within it.

    **Arguments:**

    - `events`: (start, duration, name) of one thread, in seconds; they nest, or are apart.
    """
    found: dict[str, float] = defaultdict(float)
    open_: list[tuple[float, str]] = []
    for start, duration, name in sorted(events, key=lambda event: (event[0], -event[1])):
        while open_ and open_[-1][0] <= start:
            open_.pop()
        if open_:
            found[open_[-1][1]] -= duration
        found[name] += duration
        open_.append((start + duration, name))
    return found


def part_of(scope: str) -> str:
    """The part of which an operation is, by the names around it."""
    return next((part for part in PARTS if re.search(rf"\b{part}\b", scope)), REST)


def _compiling() -> bool:
    """Whether the main thread traces or compiles a program: there is nothing to watch then."""
    frame = sys._current_frames().get(threading.main_thread().ident or 0)
    while frame is not None:
        if Path(frame.f_code.co_filename).name in _COMPILER and "jax" in frame.f_code.co_filename:
            return True
        frame = frame.f_back
    return False


def _seen(folder: Path) -> Mapping[str, float]:
    """Seconds by part, of the trace in the folder."""
    threads = list(_events(folder))
    modules = {name.partition(" ")[0] for events in threads for *_, name in events}
    spent: dict[str, float] = defaultdict(float)
    for events in threads:
        for name, seconds in self_seconds(events).items():
            spent[name] += seconds
    ran: dict[str, dict[str, str]] = {}
    for text in programs(f"^({'|'.join(map(re.escape, modules))})$") if modules else ():
        module = text.split(maxsplit=2)[1].rstrip(",")
        found = {f"{module} {op}": scope for op, scope in _OPERATION.findall(text)}
        # Programs may have the same name: the one that ran has what was seen, and little else.
        told = lambda scopes: (sum(spent[op] for op in scopes.keys() & spent), -len(scopes))
        ran[module] = max(ran.get(module, {}), found, key=told)
    scopes = ChainMap(*ran.values())
    total = dict.fromkeys(PARTS, 0.0)
    for name, seconds in spent.items():
        total[part_of(scopes.get(name, ""))] += seconds
    return total


def _events(folder: Path) -> Iterator[list[tuple[float, float, str]]]:
    """Start, duration and "program operation" of each thread's operations."""
    (file,) = folder.rglob("*.xplane.pb")
    for plane in jax.profiler.ProfileData.from_file(str(file)).planes:
        for thread in plane.lines:
            events = ((event, dict[str, Any](event.stats)) for event in thread.events)
            yield [
                (
                    event.start_ns * 1e-9,
                    event.duration_ns * 1e-9,
                    f"{of['hlo_module']} {of['hlo_op']}",
                )
                for event, of in events
                if "hlo_op" in of and "hlo_module" in of
            ]


def _options() -> Any:
    options: Any = jax.profiler.ProfileOptions()
    options.python_tracer_level = 0  # a call of Python costs more to note than to make
    return options


@functools.cache
def _compiled() -> list[float]:
    """Seconds of each compilation of this process, from the first call on."""
    seconds: list[float] = []

    def listen(event: str, duration_secs: float, **_: Any) -> None:
        if event.endswith(("backend_compile_duration", "jaxpr_to_mlir_module_duration")):
            seconds.append(duration_secs)

    jax.monitoring.register_event_duration_secs_listener(listen)
    return seconds
