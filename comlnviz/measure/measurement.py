"""One meta-gradient, compiled, weighed and timed on the device at hand."""

import dataclasses
import statistics
import time
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from ..algorithms import AbstractAlgorithm
from .methods import METHODS
from .problem import Problem


@dataclasses.dataclass(frozen=True)
class Measurement:
    """What one meta-gradient costs.

    **Fields:**

    - `method`, `length`, `problem`: what was measured; `length` in gradient steps.
    - `status`: "ok", "out of memory", "out of time", or "failed" (the result is not finite).
    - `compile_seconds`; `seconds`: the median of `repeats` calls, with `spread`, their quartiles.
    - `temporary_bytes`, `argument_bytes`: XLA's analysis of the compiled meta-gradient.
    - `peak_bytes`: of the device's allocator; `None` where it does not say, as on a CPU.
    - `gradient_evaluations`, `solver_steps`: of the adaptation, forward; `None` where unknown.
    - `parameters`: of the whole network.
    - `why`: of a status that is not "ok", a sentence.
    """

    method: str
    length: int
    problem: dict[str, Any]
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
    why: str = ""


def measure(
    method: str,
    length: int,
    problem: Problem,
    *,
    repeats: int = 5,
    memory_limit: float = float("inf"),
) -> Measurement:
    """Compile the meta-gradient of one task, ask XLA what it takes, run it, time it.

    **Arguments:**

    - `method`: one of `METHODS`.
    - `length`: number of gradient steps of size 0.01; flows last as long.
    - `problem`: the task.
    - `repeats`: timed calls, after one that is not; with 0 it is compiled and weighed only.
    - `memory_limit`: in bytes; what would take more is not run, its status "out of memory".

    **Raises** `ValueError` for an unknown method and for numbers out of range.
    """
    if method not in METHODS:
        raise ValueError(f"There is no method {method!r}: choose from {'; '.join(METHODS)}.")
    if length < 1 or repeats < 0:
        raise ValueError(
            f"length must be at least 1 and repeats at least 0; got {length} and {repeats}."
        )
    with jax.enable_x64(problem.dtype == "float64"):
        return _measure(method, length, problem, repeats, memory_limit)


def _measure(method, length, problem, repeats, memory_limit) -> Measurement:
    algorithm, task = METHODS[method].make(problem, length), problem.task()
    meta = algorithm.init(jax.random.key(0))
    found: dict[str, Any] = dict(
        method=method, length=length, problem=dataclasses.asdict(problem), repeats=repeats,
        parameters=_size(meta),
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
    if found["temporary_bytes"] + found["argument_bytes"] > memory_limit:
        needs = (found["temporary_bytes"] + found["argument_bytes"]) / 1e9
        why = f"It needs {needs:.3g} GB; {memory_limit / 1e9:.3g} GB are allowed."
        return Measurement(**found, status="out of memory", why=why)
    if not repeats:
        return Measurement(**found)
    loss, _ = jax.block_until_ready(compiled(dynamic))
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        jax.block_until_ready(compiled(dynamic))
        times.append(time.perf_counter() - began)
    found["seconds"] = statistics.median(times)
    found["spread"] = _quartiles(times)
    peak = (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use")
    found |= {"peak_bytes": peak, **_work(algorithm, meta, task)}
    if not jnp.isfinite(loss):
        return Measurement(**found, status="failed", why="The meta-loss is not finite.")
    return Measurement(**found)


def _work(algorithm: AbstractAlgorithm, meta: Any, task: Any) -> dict[str, Any]:
    """How many steps and gradients the adaptation took."""
    solution = eqx.filter_jit(algorithm.adapt)(meta, task.support)
    as_int = lambda name: None if solution.stats.get(name) is None else int(solution.stats[name])
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
