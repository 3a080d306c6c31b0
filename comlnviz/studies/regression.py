"""A function learned from a few of its values, from each method's initialization: what
RegressionAdaptation shows.
"""

import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..models import AbstractNetwork, Labelled
from ..papers.amaml_figure_2 import FUNCTIONS
from ..papers.initializations import SQUARED
from ..tasks import AbstractFunctions
from .kept import kept
from .learned_starts import METHODS, TIMES, UNTRAINED, follow, start
from .listed import one_of
from .precision import in_float32

PROBLEMS, STARTS = tuple(FUNCTIONS), (*METHODS, UNTRAINED)
SHOTS = (5, 10, 20, 50, 100)
QUERIES = 100
SIDE = 41  # points of a surface along each axis
GRID = np.linspace(-1, 1, SIDE)  # in half widths of the domain


class Record(eqx.Module):
    """A task, and the networks on their way. Values are standardized over all tasks of the family.

    **Fields:**

    - `points`, `values`: what is shown of the function; places in half widths of its domain, and
      values with their noise.
    - `truth`: the function over `GRID`, rows along the second coordinate.
    - `fits`: of the chosen method, at each of `TIMES`.
    - `errors`: of every start: the nRMSE on 100 other points, free of noise, at each of `TIMES`.
    - `shown_errors`: the chosen method's on the values that are shown, noise included.
    """

    points: Float[np.ndarray, "shots 2"]
    values: Float[np.ndarray, " shots"]
    truth: Float[np.ndarray, "side side"]
    fits: Float[np.ndarray, "n side side"]
    errors: dict[str, Float[np.ndarray, " n"]]
    shown_errors: Float[np.ndarray, " n"]


@in_float32
def study(*, problem: str, method: str, shots: int, noise: float, seed: int = 0) -> Record:
    """Let a network adapt to a function, by gradient flow from each method's initialization.

    **Arguments:**

    - `problem`: `"CosMixture"` or `"Alpine"`.
    - `method`: whose fit to look at, one of `STARTS`; all are followed.
    - `shots`: how many values of the function are shown, one of `SHOTS`.
    - `noise`: the standard deviation of the noise on these values, in units of the values' own over
      all tasks.
    - `seed`: which task. More shots are more points of the same function.

    **Raises** `ValueError` for settings that are not listed, `OSError` when an initialization is
    missing.

    Source: A-MAML (Li et al. 2023), Section 5.1.
    """
    one_of("problem", problem, PROBLEMS)
    one_of("method", method, STARTS)
    one_of("shots", shots, SHOTS)
    if not 0 <= noise < np.inf:
        raise ValueError(f"noise must be zero or positive, and finite; got {noise}.")
    (x, y), truth, paths, errors, shown = _learned(problem, shots, float(noise), seed)
    path = jax.tree.map(lambda array: array[STARTS.index(method)], paths)
    return Record(
        points=x[:shots] / np.float32(3**0.5),
        values=y[:shots, 0],
        truth=truth,
        fits=np.asarray(_surfaces(path)),
        errors=dict(zip(STARTS, errors, strict=True)),
        shown_errors=shown[STARTS.index(method)],
    )


@functools.lru_cache(maxsize=8)
def _learned(problem: str, shots: int, noise: float, seed: int) -> tuple[Any, ...]:
    """The task, its surface, and every network at `TIMES`, with its errors."""
    # As NumPy arrays: traced, without a computation of their own.
    numbers: Any = (np.asarray(shots), np.asarray(noise, np.float32), np.asarray(seed))
    tasks = FUNCTIONS[problem](SHOTS[-1], QUERIES, standardized=True)  # pyright: ignore[reportCallIssue]
    support, query, truth = jax.device_get(_draw(tasks, *numbers))
    networks = [start(problem, method) for method in STARTS]
    stacked = jax.tree.map(lambda *arrays: np.stack(arrays), *networks)
    return support, truth, *jax.device_get(_follow(stacked, support, query))


@kept
def _draw(tasks: AbstractFunctions, shots: Array, noise: Array, seed: Array) -> tuple[Any, ...]:
    """Support set, query set and surface; labels of what is not shown are NaN, so that every number
    of shots has one shape.
    """
    key = jax.random.key(seed)
    (x, y), query = tasks.sample(key)
    y = y + noise * jax.random.normal(jax.random.fold_in(key, 2), y.shape)
    shown = jnp.arange(len(y)) < shots
    places = tasks.half_width * _grid()
    truth = tasks.as_seen(places, tasks.function(key)(places)[:, None])[1]
    return (x, jnp.where(shown[:, None], y, jnp.nan)), query, truth.reshape(SIDE, SIDE)


def _grid() -> Float[Array, "points 2"]:
    return jnp.stack(jnp.meshgrid(jnp.asarray(GRID), jnp.asarray(GRID)), -1).reshape(-1, 2)


@kept
def _follow(networks: AbstractNetwork, support: Labelled, query: Labelled) -> tuple[Any, ...]:
    def one(network):
        path, _ = follow(network, support)
        states, fixed = eqx.partition(path, eqx.is_array)

        def score(state, data):
            return SQUARED.score(eqx.combine(state, fixed)(data[0]), data[1])

        errors = jax.vmap(lambda state: (score(state, query), score(state, support)))(states)
        return path, *errors

    return eqx.filter_vmap(one)(networks)


@kept
def _surfaces(path: AbstractNetwork) -> Float[Array, "n side side"]:
    """The networks of a path over `GRID`."""
    places = 3**0.5 * _grid()
    at = eqx.filter_vmap(lambda network: network(places))
    return at(path).reshape(len(TIMES), SIDE, SIDE)
