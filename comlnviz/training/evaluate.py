"""How good a trained learner is: its mean score over many tasks, with an interval."""

import dataclasses

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from ..algorithms import AbstractAlgorithm
from ..counts import check_counts
from ..tasks import AbstractTasks
from .devices import TASKS, Devices, dealt, enough, everywhere, mesh_over, together


class TrainingError(RuntimeError):
    """Meta-training came to a point from which it cannot go on, or to what cannot adapt."""


DATA = "data"  # the name of drawing tasks, in a profile


def ci95(values: Float[np.ndarray, "n *more"]) -> Float[np.ndarray, "*more"]:
    """Half the width of the 95% interval of a mean over the first axis: 1.96 standard errors."""
    return np.asarray(1.96 * np.std(values, axis=0, ddof=1) / np.sqrt(len(values)))


@dataclasses.dataclass(frozen=True)
class Score:
    """A mean over tasks.

    **Fields:**

    - `mean`: of the tasks' scores.
    - `ci95`: half the width of its 95% interval over tasks.
    - `per_task`: the scores, in the order of the tasks.
    """

    mean: float
    ci95: float
    per_task: Float[np.ndarray, " n"]

    @classmethod
    def of(cls, scores: Float[np.ndarray, " n"]) -> "Score":
        """The mean of tasks' scores, two at least, with its interval."""
        return cls(float(np.mean(scores)), float(ci95(scores)), scores)

    def __str__(self) -> str:
        return f"{100 * self.mean:.2f} ± {100 * self.ci95:.2f} %"


def evaluate(
    algorithm: AbstractAlgorithm,
    meta: PyTree,
    tasks: AbstractTasks,
    *,
    num_tasks: int = 1000,
    key: PRNGKeyArray | None = None,
    batch_size: int | None = None,
    devices: Devices = None,
) -> Score:
    """Adapt to each of many tasks and score the queries.

    **Arguments:**

    - `algorithm`, `meta`: the learner and what it has learned.
    - `tasks`: where they come from; has `sample(key)`.
    - `num_tasks`: how many, at least 2.
    - `key`: chooses the tasks. Without it they are the same for every method, always.
    - `batch_size`: tasks computed at once; changes time and memory only. Unless given, 1 on a CPU,
      whose cache holds one task's images but not several's, and 8 elsewhere.
    - `devices`: whom to deal the tasks out to, as in `meta_train`.

    **Raises** `ValueError` for fewer than 2 tasks, `TrainingError` when adaptation fails on some.
    """
    check_counts(2, " for an interval", num_tasks=num_tasks)
    key = jax.random.key(0) if key is None else key
    mesh = mesh_over(devices)
    keys = enough(jax.random.split(key, num_tasks), mesh)
    batch_size = batch_size or (1 if jax.default_backend() == "cpu" else 8)
    meta, tasks, keys = everywhere((meta, tasks, keys), mesh)
    scores = np.asarray(_scores(algorithm, meta, tasks, keys, batch_size, mesh), float)[:num_tasks]
    failed = np.flatnonzero(~np.isfinite(scores))
    if len(failed):
        raise TrainingError(
            f"{type(algorithm).__name__} failed to adapt on {len(failed)} of {num_tasks} tasks, "
            f"the first being number {failed[0]}: shorten T or the steps, or train further."
        )
    return Score.of(scores)


@eqx.filter_jit
def _scores(algorithm, meta, tasks, keys, batch_size, mesh) -> Array:
    arrays, static = eqx.partition((meta, tasks), eqx.is_array)

    def scores(arrays, keys):
        meta, tasks = eqx.combine(arrays, static)
        sample = jax.named_scope(DATA)(tasks.sample)
        score = lambda key: algorithm.score(meta, sample(key))
        return jax.lax.map(score, keys, batch_size=batch_size)

    return together(dealt(scores, mesh, TASKS)(arrays, keys), mesh)
