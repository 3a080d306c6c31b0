"""How long to adapt: losses and their slope against T, and T learned by SGD. For LearnT."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..data import load
from ..inner import linear_flow
from ..models import cross_entropy
from ..tasks import FewShot
from .kept import kept
from .landscapes import MAX_SHOTS, digit_components, embed_digits
from .precision import in_float64

TASKS, QUERIES = 24, 20  # tasks whose curves are known; queries of each class
LOWEST, HIGHEST = 0.01, 1000.0
TIMES = np.geomspace(LOWEST, HIGHEST, 81)
_TOLERANCE = 1e-6


class Curves(eqx.Module):
    """Of each task at each of `TIMES`.

    **Fields:**

    - `support_loss`, `query_loss`, `accuracy`: of W(T).
    - `alignment`: ⟨∇L_query, ∇L_support⟩ at W(T), which is −dL_query/dT.
    """

    support_loss: Float[Array, "tasks n"]
    query_loss: Float[Array, "tasks n"]
    accuracy: Float[Array, "tasks n"]
    alignment: Float[Array, "tasks n"]


@in_float64
def study(*, shots: int, noise: float, seed: int = 0) -> Curves:
    """Adapt to 24 tasks of digits 5 to 9, from W0 = 0, and look at every time.

    **Arguments:**

    - `shots`: 1, 2, 5 or 10 labelled examples a class.
    - `noise`: the share of labelled examples whose label is wrong, 0 to 1; more of the same
      examples as it grows.
    - `seed`: which tasks, and which noise.

    **Raises** `ValueError` for other numbers of shots, and for a share outside [0, 1].

    Source: COMLN (Deleu et al. 2022), Proposition 4.
    """
    if MAX_SHOTS % shots:
        raise ValueError(f"shots must divide {MAX_SHOTS}: 1, 2, 5 or 10; got {shots}.")
    if not 0 <= noise <= 1:
        raise ValueError(f"noise is a share of the labels, from 0 to 1; got {noise}.")
    (features, labels), query, luck, wrong = _tasks(seed)
    # Each example as often as makes ten a class: neither the mean loss nor its flow changes, and
    # every number of shots has one shape.
    rows = np.arange(5)[:, None] * MAX_SHOTS + np.arange(MAX_SHOTS)[None] % shots
    labels = jnp.where((luck < noise)[..., None], wrong, labels)
    pick = lambda x: x[:, rows.ravel()]
    return _compute((pick(features), pick(labels)), query)


@functools.lru_cache(maxsize=8)
def _tasks(seed: int) -> tuple:
    tasks = FewShot(load("digits", split="test"), 5, MAX_SHOTS, QUERIES)
    return _drawn(tasks, jnp.asarray(seed), digit_components())


@kept
def _drawn(tasks: FewShot, seed: Array, components: tuple[Array, Array]) -> tuple:
    key = jax.random.key(seed)
    drawn = jax.vmap(tasks.sample)(jax.random.split(key, TASKS))
    embed = jax.vmap(lambda images: embed_digits(images, components))
    support, query = ((embed(images), labels) for images, labels in drawn)
    labels = support[1]
    keys = jax.random.split(jax.random.fold_in(key, 1))
    luck = jax.random.uniform(keys[0], labels.shape[:2])
    shift = jax.random.randint(keys[1], labels.shape[:2], 1, labels.shape[2])
    wrong = jax.nn.one_hot((labels.argmax(-1) + shift) % labels.shape[2], labels.shape[2])
    return support, query, luck, wrong


@kept
def _compute(support: tuple[Array, Array], query: tuple[Array, Array]) -> Curves:
    def one(support, query):
        W0 = jnp.zeros((5, support[0].shape[1]))
        path = linear_flow(
            W0, support[0], support[1], HIGHEST, ts=jnp.asarray(TIMES), rtol=_TOLERANCE,
            atol=_TOLERANCE, throw=False,
        ).path  # fmt: skip

        def look(W):
            here, slope = jax.value_and_grad(cross_entropy)(W, support)
            there, pull = jax.value_and_grad(cross_entropy)(W, query)
            right = jnp.argmax(query[0] @ W.T, axis=1) == jnp.argmax(query[1], axis=1)
            return here, there, jnp.mean(right.astype(W.dtype)), jnp.sum(slope * pull)

        return jax.vmap(look)(path)

    support_loss, query_loss, accuracy, alignment = jax.vmap(one)(support, query)
    return Curves(support_loss, query_loss, accuracy, alignment)


def learn(
    curves: Curves, *, start: float, learning_rate: float, steps: int = 300, seed: int = 0
) -> Float[np.ndarray, " steps_1"]:
    """T under SGD in log T, a task drawn at every step: T after 0, 1, …, `steps` steps.

    The gradient in log T is T·dL/dT, read off the curves; T stays within their range.

    **Arguments:**

    - `start`: T before the first step.
    - `learning_rate`: of SGD.
    """
    slopes = -TIMES * np.asarray(curves.alignment)
    places, reach = np.log(TIMES), np.log([LOWEST, HIGHEST])
    path = np.empty(steps + 1)
    path[0] = np.log(start)
    for step, task in enumerate(np.random.default_rng(seed).integers(0, len(slopes), steps)):
        slope = np.interp(path[step], places, slopes[task])
        path[step + 1] = np.clip(path[step] - learning_rate * slope, *reach)
    return np.exp(path)


def best(curves: Curves) -> float:
    """The T whose query loss, the mean over tasks, is least."""
    return float(TIMES[np.argmin(np.asarray(curves.query_loss).mean(0))])
