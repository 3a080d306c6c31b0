"""A trained network adapts with some of its layers frozen: what FreezeLab shows."""

import functools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from ..algorithms import MAML
from ..data import load
from ..models import AbstractNetwork, Classifier, ConvNet, CrossEntropy
from ..papers import metaopt_figure_2
from ..papers.layerwise import Change, Course, follow, layer_names
from ..papers.results import results_folder
from ..tasks import FewShot, Task
from ..training import Score
from .kept import kept
from .listed import one_of
from .precision import in_float32

WAYS, SHOTS, QUERIES = 10, 2, 3  # queries of each class
TASKS = 8
ENCODER = ConvNet((28, 28, 1), 32, 4, "stride", patches=True)
LEARNER = MAML(Classifier(ENCODER, WAYS), 0.5, 4)
STEPS = LEARNER.num_steps
LAYERS = layer_names(ENCODER.layers + 1)
NOISE = metaopt_figure_2.NOISE  # of the paper's Figure 2
MODEL = "glyphs-MAML-CNN"


class Record(eqx.Module):
    """The trained network adapting to `TASKS` new tasks.

    **Fields:**

    - `accuracy`: on their queries, before the first step and after each, in the mean over tasks; a
      task that diverged has none right.
    - `ci95`: half the width of its 95% interval after the last step.
    - `moved`: how far each layer's weights go, relative to their size; the mean over tasks.
    - `lost`: how many tasks had diverged by then.
    """

    accuracy: Float[np.ndarray, " steps_1"]
    ci95: float
    moved: Float[np.ndarray, " layers"]
    lost: Int[np.ndarray, " steps_1"]


def study(*, frozen: Iterable[str], alpha: float, noise: float, seed: int) -> Record:
    """Adapt to each task with some layers frozen, the head disturbed or not, and ask the queries.

    **Arguments:**

    - `frozen`: any of `LAYERS`: what adaptation does not move.
    - `alpha`: the learning rate within a task; in meta-training it was that of `LEARNER`.
    - `noise`: the standard deviation of what is added to each weight of FC beforehand; at least 0.
    - `seed`: which tasks, of characters that meta-training had not.

    **Raises** `ValueError` for a layer that does not exist, and for numbers out of range.

    Source: Decoupling Adaptation from Modeling (2020), Section 3.2, Figure 2.
    """
    frozen = tuple(frozen)
    for layer in frozen:
        one_of("frozen", layer, LAYERS)
    if not (alpha > 0 and noise >= 0):
        raise ValueError(f"alpha must be positive and noise at least 0; got {alpha} and {noise}.")
    return _study(frozenset(frozen), float(alpha), float(noise), seed)


@functools.lru_cache(maxsize=256)
@in_float32
def _study(frozen: frozenset[str], alpha: float, noise: float, seed: int) -> Record:
    # By NumPy: traced, so that nothing compiles when a toggle is flipped.
    one: Any = np.ones(len(LAYERS), np.float32)
    adapts: Any = np.array([layer not in frozen for layer in LAYERS], np.float32)
    number: Any = lambda x: np.asarray(x, np.float32)
    change = Change(adapts, number(noise), one, one)
    right, moved, lost = jax.device_get(_adapt(trained(), _tasks(seed), change, number(alpha)))
    shares = np.where(lost, 0, right)
    return Record(
        accuracy=shares.mean(0),
        ci95=Score.of(shares[:, -1]).ci95,
        moved=moved.mean(0),
        lost=lost.sum(0),
    )


@kept
def _adapt(
    network: AbstractNetwork, tasks: Task, change: Change, alpha: Array
) -> tuple[
    Float[Array, "tasks steps_1"], Float[Array, "tasks layers"], Bool[Array, "tasks steps_1"]
]:
    """By task: the share of queries that are right at each step, what moved, what diverged."""

    def one(given):
        task, key = given
        course: Course = follow(network, task, change, alpha, STEPS, key)
        right = jax.vmap(lambda logits: CrossEntropy().score(logits, task.query[1]))(course.logits)
        return right, course.moved, jnp.isnan(right)

    return jax.lax.map(one, (tasks, jax.random.split(jax.random.key(0), TASKS)))


@functools.lru_cache(maxsize=8)
@in_float32
def _tasks(seed: int) -> Task:
    return _sampled(_family(), jax.random.key(seed))


@functools.cache
def _family() -> FewShot:
    return FewShot(load("glyphs", split="test"), WAYS, SHOTS, QUERIES)


@kept
def _sampled(family: FewShot, key: Any) -> Task:
    return jax.vmap(family.sample)(jax.random.split(key, TASKS))


def place() -> Path:
    """The file of the trained network; `tools/train_freeze_model.py` writes it."""
    return results_folder() / "models" / f"{MODEL}.eqx"


@functools.cache
@in_float32
def trained() -> AbstractNetwork:
    """The network as MAML has trained it on glyphs.

    **Raises** `OSError` when its file is missing.
    """
    like = eqx.filter_eval_shape(LEARNER.init, jax.random.key(0))
    return eqx.tree_deserialise_leaves(place(), like)
