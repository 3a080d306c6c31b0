"""An episode of images and what a trained learner says about it: what FewShotLab shows."""

import functools
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..algorithms import ANIL, COMLN, R2D2, AbstractHeadAlgorithm, ProtoNet
from ..data import Dataset, load
from ..inner import linear_flow
from ..models import Conv4
from ..papers.results import results_folder
from ..tasks import FewShot, Task
from .kept import kept
from .precision import in_float32

WAYS, QUERIES, SIDE = 5, 5, 28  # queries of each class
TIMES = np.geomspace(0.01, 1000.0, 101)
ENCODER = Conv4((SIDE, SIDE, 1), 32, "running", patches=True)
METHODS: dict[str, AbstractHeadAlgorithm] = {
    "COMLN": COMLN(ENCODER, WAYS),
    "ANIL": ANIL(ENCODER, WAYS, 0.1, 5),
    "R2D2": R2D2(ENCODER, WAYS),
    "ProtoNet": ProtoNet(ENCODER, WAYS),
}
DATASETS = ("glyphs", "omniglot-minimal", "digits")


class Episode(NamedTuple):
    """Images of five classes, ink 1 on 0, ordered by class."""

    support: Float[np.ndarray, "M 28 28 1"]
    query: Float[np.ndarray, "Q 28 28 1"]
    names: tuple[str, ...]


class Answers(eqx.Module):
    """What a learner says.

    **Fields:**

    - `probabilities`: of each class for each query, when adaptation lasts each of `TIMES`; all
      alike for methods that know no time.
    - `T`: how long the learner adapts of its own accord; NaN where it knows no time.
    """

    probabilities: Float[Array, "n Q 5"]
    T: Float[Array, ""]


def episode(dataset: str, shots: int, seed: int) -> Episode:
    """An episode of classes that no learner here was trained on.

    **Raises** `DataError` where the dataset is not on this computer.
    """
    task, classes = _draw(dataset, shots, seed)
    names = tuple(_dataset(dataset).names[c] for c in classes)
    return Episode(task.support[0], task.query[0], names)


@in_float32
def _draw(dataset: str, shots: int, seed: int) -> tuple[Task, Array]:
    tasks, key = _tasks(dataset, shots), jax.random.key(seed)
    return eqx.filter_jit(tasks.sample)(key), tasks.classes(key)


@functools.cache
def _tasks(dataset: str, shots: int) -> FewShot:
    return FewShot(_dataset(dataset), WAYS, shots, QUERIES)


@functools.cache
def _dataset(name: str) -> Dataset:
    data = load(name, split="test")
    if name != "digits":
        return data
    # 8×8 to 28×28: two and a half pixels for one, and a margin of four.
    place = np.arange(20) * 8 // 20
    large = np.pad(
        data.images[:, :, place][:, :, :, place], ((0, 0), (0, 0), *[(4, 4)] * 2, (0, 0))
    )
    return Dataset(large, data.names)


@functools.cache
def trained(method: str) -> eqx.Module:
    """The meta-parameters that come with the package, learned on 2-shot tasks of glyphs.

    **Raises** `ValueError` for a method without any, `OSError` when the file is missing.
    """
    if method not in METHODS:
        raise ValueError(f"There is no trained {method!r}: choose from {', '.join(METHODS)}.")
    path = results_folder() / "models" / f"{method}.eqx"
    return eqx.tree_deserialise_leaves(path, METHODS[method].init(jax.random.key(0)))


@in_float32
def study(
    *, method: str, support: Float[np.ndarray, "M 28 28 1"], query: Float[np.ndarray, "Q 28 28 1"]
) -> Answers:
    """Adapt a trained learner to the support set, as long as each of `TIMES`, and ask the queries.

    **Arguments:**

    - `method`: one of `METHODS`.
    - `support`, `query`: images, ink 1 on 0; the support set's ordered by class, as many of each.

    Source: COMLN (Deleu et al. 2022), Algorithm 5.
    """
    labels = jnp.repeat(jnp.eye(WAYS), len(support) // WAYS, axis=0)
    arrays = (jnp.asarray(support, jnp.float32), labels, jnp.asarray(query, jnp.float32))
    return _answer(METHODS[method], trained(method), *arrays)


@kept
def _answer(algorithm, meta, support, labels, query) -> Answers:
    features, asked = meta.encoder(support), meta.encoder(query)
    if isinstance(algorithm, COMLN | ANIL):
        descends = isinstance(algorithm, ANIL)
        how: dict[str, Any] = dict(
            solver="euler" if descends else "dopri5",
            dt0=algorithm.step_size if descends else None,
            rtol=None if descends else 1e-5,
            atol=None if descends else 1e-5,
        )
        path = linear_flow(
            meta.W0, features, labels, TIMES[-1], ts=jnp.asarray(TIMES), max_steps=2**14,
            throw=False, **how,
        ).path  # fmt: skip
        logits = jnp.einsum("qd,tnd->tqn", asked, path)
        T = algorithm.step_size * algorithm.num_steps if descends else jnp.exp(meta.log_T)
        return Answers(jax.nn.softmax(logits), jnp.asarray(T, float))
    solution = algorithm.adapt_head(meta, features, labels)
    said = jax.nn.softmax(algorithm.classify(meta, solution.params, asked))
    return Answers(jnp.broadcast_to(said, (len(TIMES), *said.shape)), jnp.asarray(jnp.nan))
