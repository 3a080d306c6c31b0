"""Ratings predicted from a few of a user's by a network that adapts: what RatingsLab shows."""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from ..data import load
from ..data.tastes import SIDE
from ..models import AbstractNetwork, Labelled
from ..training.evaluate import ci95
from .kept import kept
from .learned_starts import RATINGS, UNTRAINED, follow, start
from .listed import one_of
from .precision import in_float32

PROBLEMS = RATINGS
SHOTS = (1, 2, 5, 10, 15)  # fewer than any user has
ITEMS, MOST = SIDE * SIDE, 20  # items; ratings to adapt to, at most
USERS = 100  # held out from meta-training
METHOD = "A-MAML"


class Split(NamedTuple):
    """A user's ratings, given and held out: (items, ratings) each."""

    given: tuple[Int[np.ndarray, " shots"], Float[np.ndarray, " shots"]]
    held: tuple[Int[np.ndarray, " rest"], Float[np.ndarray, " rest"]]


class Record(eqx.Module):
    """Predicted ratings of all items, in the unit of the ratings.

    **Fields:**

    - `adapted`: at each of `TIMES` of the flow from A-MAML's initialization.
    - `untrained`: the same from a random one.
    - `before`: of A-MAML's initialization, not adapted.
    - `means`: of each item, over the users of meta-training.
    - `deviation`: of all ratings of these users, by which errors are divided.
    - `ok`: whether both flows came to their end.
    """

    adapted: Float[np.ndarray, "n items"]
    untrained: Float[np.ndarray, "n items"]
    before: Float[np.ndarray, " items"]
    means: Float[np.ndarray, " items"]
    deviation: float
    ok: bool


class Everyone(NamedTuple):
    """nRMSE, averaged over the held-out users, with a 95% interval: half its width.

    **Fields:**

    - `mean`, `ci95`: after adaptation, at each of `TIMES`.
    - `before`, `items`: not adapted, and of the items' means; (mean, ci95).
    """

    mean: Float[np.ndarray, " n"]
    ci95: Float[np.ndarray, " n"]
    before: tuple[float, float]
    items: tuple[float, float]


def split(problem: str, user: int, shots: int) -> Split:
    """The ratings of a user held out from meta-training, `shots` of them given.

    With more shots the same are given, and others.

    **Raises** `ValueError` for a user or a number of shots that there is not, `DataError` when the
    dataset is not on this computer.
    """
    one_of("problem", problem, PROBLEMS)
    one_of("shots", shots, SHOTS)
    if not 0 <= user < USERS:
        raise ValueError(f"user must be from 0 to {USERS - 1}; got {user}.")
    ratings = _table(problem, "test")[user]
    rated = np.random.default_rng(user).permutation(np.flatnonzero(np.isfinite(ratings)))
    part = lambda items: (items, ratings[items])
    return Split(part(rated[:shots]), part(rated[shots:]))


@functools.cache
def _table(problem: str, which: str) -> Float[np.ndarray, "users items"]:
    return np.asarray(load(problem, split=which).images)


@functools.cache
def _scale(problem: str) -> tuple[float, float, Float[np.ndarray, " items"]]:
    """Mean and deviation of all ratings for meta-training, and each item's mean."""
    table = _table(problem, "train")
    return float(np.nanmean(table)), float(np.nanstd(table)), np.nanmean(table, axis=0)


@in_float32
def study(
    *,
    problem: str,
    items: Sequence[int] | Int[np.ndarray, " M"],
    ratings: Sequence[float] | Float[np.ndarray, " M"],
) -> Record:
    """Predict a user's rating of each item, adapting to those that are given.

    **Arguments:**

    - `problem`: `"tastes"` or `"movielens-100k"`.
    - `items`, `ratings`: which items the user has rated, 0 to 99, and how; at most 20. Without
      any, nothing is adapted.

    **Raises** `ValueError` for items or ratings that there are not, `DataError` when the dataset is
    not on this computer, `OSError` when the initialization is missing.

    Source: A-MAML (Li et al. 2023), Section 5.3.
    """
    one_of("problem", problem, PROBLEMS)
    items, given = np.asarray(items, int), np.asarray(ratings, np.float32)
    if len(items) != len(given) or len(items) > MOST or len(set(items.tolist())) < len(items):
        raise ValueError(
            f"items must be different, at most {MOST}, and as many as ratings; got {len(items)} "
            f"items and {len(given)} ratings."
        )
    for name, values, low, high in (("items", items, 0, ITEMS - 1), ("ratings", given, 1, 5)):
        wrong = values[~((values >= low) & (values <= high))]
        if len(wrong):
            raise ValueError(f"{name} must be from {low} to {high}; got {wrong[0]:g}.")
    mean, deviation, means = _scale(problem)
    # Without a rating there is no loss to descend: of one that stands in its place only the start
    # is taken.
    shown = (items, (given - mean) / deviation) if len(items) else (np.zeros(1, int), np.zeros(1))
    found = _predict(_networks(problem), _support(*shown))
    before, paths, ok = jax.device_get(found)
    if not len(items):
        paths = np.broadcast_to(before[:, None], paths.shape)
    inverse = lambda values: mean + deviation * values
    return Record(
        inverse(paths[0]), inverse(paths[1]), inverse(before[0]), means, deviation, all(ok)
    )


@functools.cache
def _networks(problem: str) -> AbstractNetwork:
    both = (start(problem, METHOD), start(problem, UNTRAINED))
    return jax.tree.map(lambda *arrays: np.stack(arrays), *both)


def _support(items: np.ndarray, labels: np.ndarray) -> Any:
    """One-hot rows, filled up with rows whose labels are NaN: one shape for any number."""
    rows = np.zeros((MOST, ITEMS), np.float32)
    rows[np.arange(len(items)), items] = 1
    values = np.full((MOST, 1), np.nan, np.float32)
    values[: len(items), 0] = labels
    return rows, values


@kept
def _predict(
    networks: AbstractNetwork, support: Labelled
) -> tuple[Float[Array, "2 items"], Float[Array, "2 n items"], Bool[Array, " 2"]]:
    def one(network):
        path, ok = follow(network, support)
        return network(jnp.eye(ITEMS))[:, 0], _of_all(path), ok

    return eqx.filter_vmap(one)(networks)


def _of_all(path: AbstractNetwork) -> Float[Array, "n items"]:
    """What networks with a leading axis predict of every item."""
    return eqx.filter_vmap(lambda network: network(jnp.eye(ITEMS))[:, 0])(path)


def error(record: Record, predicted: Any, held: tuple[np.ndarray, np.ndarray]) -> Any:
    """The nRMSE of predictions (…, items) on ratings; NaN where there are none."""
    items, ratings = held
    if not len(items):
        return np.full(np.shape(predicted)[:-1], np.nan)
    squares = (np.asarray(predicted)[..., items] - ratings) ** 2
    return np.sqrt(squares.mean(axis=-1)) / record.deviation


@functools.lru_cache(maxsize=16)
@in_float32
def everyone(problem: str, shots: int) -> Everyone:
    """Adapt to each of the held-out users in turn.

    **Arguments:**

    - `problem`, `shots`: as in `split`.
    """
    mean, deviation, means = _scale(problem)
    users = [split(problem, user, shots) for user in range(USERS)]
    supports = [_support(items, (given - mean) / deviation) for (items, given), _ in users]
    stacked: Any = tuple(np.stack(part) for part in zip(*supports, strict=True))
    network = start(problem, METHOD)
    before, paths = jax.device_get(_predict_each(network, stacked))

    def scores(predictions):
        errors = [
            np.sqrt(np.mean((row[..., items] - (held - mean) / deviation) ** 2, axis=-1))
            for row, (_, (items, held)) in zip(predictions, users, strict=True)
        ]
        return np.mean(errors, axis=0), ci95(np.asarray(errors))

    def level(row):
        mean, interval = scores([row] * USERS)
        return float(mean), float(interval)

    return Everyone(*scores(paths), level(before), level((means - mean) / deviation))


@kept
def _predict_each(
    network: AbstractNetwork, supports: Labelled
) -> tuple[Float[Array, " items"], Float[Array, "users n items"]]:
    each = jax.lax.map(lambda support: _of_all(follow(network, support)[0]), supports)
    return network(jnp.eye(ITEMS))[:, 0], each
