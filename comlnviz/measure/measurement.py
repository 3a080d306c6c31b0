"""One meta-gradient, compiled, weighed and timed on the device at hand."""

import dataclasses
import math
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from ..counts import check_counts
from .device import find_device
from .methods import METHODS, check_methods
from .problem import Problem
from .reference import relative_error
from .solving import Solving

RUNNING = "running"  # the stage in which what is timed runs
PATIENCE = 5.0  # seconds of timed calls after which no further one begins


@dataclasses.dataclass(frozen=True)
class Measurement:
    """What one meta-gradient costs.

    **Fields:**

    - `method`, `length`, `problem`: what was measured; `length` in gradient steps.
    - `solver`, `tolerance`: with which a flow was followed; `None` for the method's own.
    - `status`: "ok", "out of memory", "out of time", or "failed" (the result is not finite,
      or the compiler gave up).
    - `compile_seconds`; `seconds`: the median of `repeats` calls, with `spread`, their quartiles.
    - `temporary_bytes`, `argument_bytes`: XLA's analysis of the compiled meta-gradient.
    - `peak_bytes`: of the device's allocator; `None` where it does not say, as on a CPU.
    - `gradient_evaluations`, `solver_steps`: of the adaptation, forward; `None` where unknown.
    - `parameters`: of the whole network.
    - `error`: ‖g − r‖/‖r‖ of the meta-gradient g against a converged one, r, in float64; `None`
      where there is none to be had, and `error_why` then says why.
    - `load`: processes that wanted the machine's cores, a minute's mean; timings taken beside
      other work are worth less. Of many jobs it counts those that compiled just before.
    - `why`: of a status that is not "ok", a sentence.
    """

    method: str
    length: int
    problem: dict[str, Any]
    solver: str | None = None
    tolerance: float | None = None
    status: str = "ok"
    compile_seconds: float | None = None
    seconds: float | None = None
    spread: tuple[float, float] | None = None
    repeats: int = 0
    temporary_bytes: int | None = None
    argument_bytes: int | None = None
    peak_bytes: int | None = None
    gradient_evaluations: int | None = None
    solver_steps: int | None = None
    parameters: int | None = None
    error: float | None = None
    error_why: str = ""
    load: float | None = None
    why: str = ""

    @property
    def solving(self) -> Solving:
        """`solver` and `tolerance`."""
        return Solving(self.solver, self.tolerance)


Say = Callable[[str, Measurement | None], None]


def measure(
    method: str,
    length: int,
    problem: Problem,
    *,
    solving: Solving = Solving(),  # noqa: B008
    repeats: int = 5,
    memory_limit: float = float("inf"),
    device: str | None = None,
    errors: bool = True,
    say: Say = lambda stage, found: None,
) -> Measurement:
    """Compile the meta-gradient of one task, ask XLA what it takes, run it, time it, check it.

    **Arguments:**

    - `method`: one of `METHODS`.
    - `length`: number of gradient steps of size 0.01; flows last as long.
    - `problem`: the task.
    - `solving`: the solver and the tolerance of a flow, if not the method's own.
    - `repeats`: timed calls, after one that is not, or fewer when they take long; with 0 it is
      compiled and weighed only.
    - `memory_limit`: in bytes; what would take more is not run, its status "out of memory".
    - `device`: "cpu" or "gpu"; `None` for the one that JAX uses by default.
    - `errors`: whether to compare with a reference, which may take longer than all else.
    - `say`: told each stage as it begins, and what is known by then.

    **Raises** `ValueError` for an unknown method or device, for numbers out of range, for a method
    that adapts a classifier's last layer where there is none, and for a solver where steps are
    taken.
    """
    check(method, length, problem, solving)
    check_counts(0, repeats=repeats)
    solving = METHODS[method].solving(solving)
    with jax.default_device(find_device(device)):
        with jax.enable_x64(problem.dtype == "float64"):
            found, gradient, meta, task = _measure(
                method, length, problem, solving, repeats, memory_limit, say
            )
        if found.status != "ok" or not repeats:
            return found
        if not errors:
            return dataclasses.replace(found, error_why="Nobody asked for it.")
        reference = METHODS[method].reference
        if isinstance(reference, str):
            return dataclasses.replace(found, error_why=reference)
        say("comparing with a reference", found)
        error = relative_error(gradient, meta, task, reference(problem, length))
        why = ""
        if error is None:
            why = "The reference did not converge either."
        elif not math.isfinite(error):
            error, why = None, "The meta-gradient is not finite."
        return dataclasses.replace(found, error=error, error_why=why)


def check(method: str, length: int, problem: Problem, solving: Solving) -> None:
    """**Raises** `ValueError` for what cannot be measured, as `measure` does."""
    check_methods([method])
    check_counts(length=length)
    if not METHODS[method].fits(problem):
        raise ValueError(
            f"{method} adapts a classifier's last layer, which {problem.backbone} has not."
        )
    if METHODS[method].steps and solving != Solving():
        raise ValueError(f"{method} takes gradient steps: no solver or tolerance can be chosen.")


def _measure(
    method: str,
    length: int,
    problem: Problem,
    solving: Solving,
    repeats: int,
    memory_limit: float,
    say: Say,
) -> tuple[Measurement, Any, Any, Any]:
    """The measurement, the meta-gradient, and the meta-parameters and task it was taken at."""
    say("compiling", None)
    algorithm, task = solving.of(METHODS[method].make(problem, length)), problem.task()
    meta = algorithm.init(jax.random.key(0))
    found: dict[str, Any] = dict(
        method=method, length=length, problem=dataclasses.asdict(problem), parameters=_size(meta),
        **dataclasses.asdict(solving),
    )  # fmt: skip
    dynamic, static = eqx.partition((algorithm, meta, task), eqx.is_array)

    def meta_gradient(dynamic):
        algorithm, meta, task = eqx.combine(dynamic, static)
        (loss, _), gradient = algorithm.meta_grad(meta, task)
        return loss, eqx.filter(gradient, eqx.is_array)

    lowered = jax.jit(meta_gradient).lower(dynamic)
    began = time.perf_counter()
    compiled = lowered.compile()
    found["compile_seconds"] = time.perf_counter() - began
    memory: Any = compiled.memory_analysis()
    found["temporary_bytes"] = int(memory.temp_size_in_bytes)
    found["argument_bytes"] = int(memory.argument_size_in_bytes)
    needs = found["temporary_bytes"] + found["argument_bytes"]
    if needs > memory_limit:
        why = f"It needs {needs / 1e9:.3g} GB; {memory_limit / 1e9:.3g} GB are allowed."
        return Measurement(**found, status="out of memory", why=why), None, meta, task
    if not repeats:
        return Measurement(**found), None, meta, task
    adapt: Any = eqx.filter_jit(algorithm.adapt)
    adapt = adapt.lower(meta, task.support).compile()
    say(RUNNING, Measurement(**found))
    loss, gradient = jax.block_until_ready(compiled(dynamic))
    times = _times(lambda: compiled(dynamic), repeats)
    found |= {"repeats": len(times), "seconds": statistics.median(times)}
    found |= {"spread": _quartiles(times), "load": _load()}
    found |= _work(adapt(meta, task.support).stats)
    found["peak_bytes"] = (find_device().memory_stats() or {}).get("peak_bytes_in_use")
    if not jnp.isfinite(loss):
        found |= {"status": "failed", "why": "The meta-loss is not finite."}
    return Measurement(**found), gradient, meta, task


def _times(run: Callable[[], Any], repeats: int) -> list[float]:
    """Seconds of each call; no further one once `PATIENCE` is over."""
    times = []
    while len(times) < repeats and sum(times) < PATIENCE:
        began = time.perf_counter()
        jax.block_until_ready(run())
        times.append(time.perf_counter() - began)
    return times


def _load() -> float | None:
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def _work(stats: dict[str, Any]) -> dict[str, Any]:
    """How many steps and gradients the adaptation took."""
    as_int = lambda name: None if stats.get(name) is None else int(stats[name])
    return {
        "gradient_evaluations": as_int("num_gradient_evaluations"),
        "solver_steps": as_int("num_steps"),
    }


def _size(tree: Any) -> int:
    return sum(x.size for x in jax.tree.leaves(eqx.filter(tree, eqx.is_inexact_array)))


def _quartiles(times: list[float]) -> tuple[float, float]:
    if len(times) < 2:
        return times[0], times[0]
    low, _, high = statistics.quantiles(times, n=4)
    return low, high
