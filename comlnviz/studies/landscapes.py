"""Losses one can look at: each with a plane through its parameters to draw it in."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from ..data import load
from ..inner import linear_flow
from ..models import cross_entropy
from ..tasks import FewShot, Task
from .kept import kept
from .precision import in_float64

Numbers = Array | np.ndarray


class Landscape(eqx.Module):
    """A loss, its data, and a plane `origin + x·basis[0] + y·basis[1]` through its parameters.

    **Fields:**

    - `loss`: (params, data) ↦ a number.
    - `validation`: the same on other data: the loss a meta-gradient is taken of.
    - `origin`, `basis`: the plane; the basis is orthonormal.
    - `start`: the point of the plane where adaptation starts.
    - `low`, `high`: the corners of the part worth drawing.
    - `linear_head`: whether the loss is the cross-entropy of a linear head, data being
      (features, labels), so that `linear_flow` applies.
    """

    loss: Callable[[PyTree, PyTree], Float[Array, ""]] = eqx.field(static=True)
    data: PyTree
    validation: PyTree
    origin: Float[Numbers, "*P"]
    basis: Float[Numbers, "2 *P"]
    start: Float[Numbers, "2"]
    low: Float[Numbers, "2"]
    high: Float[Numbers, "2"]
    linear_head: bool = eqx.field(static=True, default=False)

    def embed(self, point: Float[Numbers, "2"]) -> Float[Array, "..."]:
        """The parameters at a point of the plane."""
        return jnp.asarray(self.origin) + jnp.tensordot(point, self.basis, axes=1)

    def project(self, params: Float[Array, "..."]) -> Float[Array, "*n 2"]:
        """The point of the plane nearest to the parameters; leading axes are kept."""
        axes = tuple(range(1, self.basis.ndim))
        away = params - self.origin
        return jnp.tensordot(away, self.basis, axes=(tuple(a - len(axes) - 1 for a in axes), axes))

    def at(self, params: PyTree) -> Float[Array, ""]:
        """The loss at the parameters."""
        return self.loss(params, self.data)


class Queries(NamedTuple):
    """The images a few-shot learner is asked about."""

    images: Float[Array, "Q 8 8"]
    labels: Int[Array, " Q"]
    names: tuple[str, ...]


def _plane(low: tuple, high: tuple, start: tuple) -> dict[str, Any]:
    # NumPy: a slider makes a new landscape at every move, and these never touch the device.
    at = lambda p: np.asarray(p, float)
    return dict(origin=np.zeros(2), basis=np.eye(2), start=at(start), low=at(low), high=at(high))


def _quadratic(w, data):
    hessian, minimum = data
    return 0.5 * (w - minimum) @ hessian @ (w - minimum)


def quadratic(condition: float = 10.0) -> Landscape:
    """½wᵀHw with curvatures 1 and 1/`condition`, its axes turned by 30 degrees."""
    turn = np.array([[np.cos(_TURN), -np.sin(_TURN)], [np.sin(_TURN), np.cos(_TURN)]])
    hessian = turn @ np.diag([1.0, 1 / condition]) @ turn.T
    # A validation loss whose minimum is elsewhere, as another sample's would be.
    minimum, elsewhere = np.zeros(2), np.array([0.6, 0.4])
    plane = _plane((-3, -2.4), (3, 2.4), (-2.2, 1.4))
    return Landscape(_quadratic, (hessian, minimum), (hessian, elsewhere), **plane)


def _rosenbrock(w, data):
    bend, x_min = data
    return (x_min - w[0]) ** 2 + bend * (w[1] - w[0] ** 2) ** 2


@functools.cache
def rosenbrock() -> Landscape:
    """(1 − x)² + 10(y − x²)²: a bent valley, steep across and flat along."""
    plane = _plane((-2, -1), (2, 3), (-1.2, 2.2))
    return Landscape(_rosenbrock, (10.0, 1.0), (10.0, 0.8), **plane)


@functools.lru_cache(maxsize=32)
def logistic(seed: int = 0) -> Landscape:
    """Logistic regression in two dimensions on 24 points of two overlapping clouds.

    Written as a softmax head with two classes, W = (w, −w)/√2, so that the methods for linear
    heads apply; the flow never leaves that plane.
    """
    rng = np.random.default_rng(seed)
    side = np.repeat([1.0, -1.0], 24)
    points = rng.normal(size=(48, 2)) * [1.0, 0.7] + side[:, None] * [0.9, 0.5]
    labels = np.stack([side > 0, side < 0], axis=1).astype(float)
    part = lambda s: (jnp.asarray(points[s]), jnp.asarray(labels[s]))
    basis = np.einsum("ij,c->icj", np.eye(2), [1, -1]) / np.sqrt(2)
    corners = dict(low=jnp.array([-2.5, -2.5]), high=jnp.array([4.0, 4.0]))
    return Landscape(
        cross_entropy,
        part(slice(0, None, 2)),
        part(slice(1, None, 2)),
        origin=jnp.zeros((2, 2)),
        basis=jnp.asarray(basis),
        start=jnp.array([-1.5, 2.5]),
        linear_head=True,
        **corners,
    )


NAMES = ("quadratic", "logistic regression", "Rosenbrock", "few-shot digits")
MAX_SHOTS = 10
_TURN = np.pi / 6


def landscape(
    name: str, *, condition: float = 10.0, shots: int = 5, seed: int = 0
) -> tuple[Landscape, "Queries | None"]:
    """A landscape by its name in `NAMES`; with its query images where there are any.

    **Raises** `ValueError` for another name.
    """
    if name == "quadratic":
        return quadratic(condition), None
    if name == "logistic regression":
        return logistic(seed), None
    if name == "Rosenbrock":
        return rosenbrock(), None
    if name == "few-shot digits":
        return few_shot(shots, seed)
    raise ValueError(f"There is no landscape {name!r}: choose one of {', '.join(NAMES)}.")


def embed_digits(
    images: Float[Array, "n 8 8 1"], components: tuple[Array, Array]
) -> Float[Array, "n 33"]:
    """Principal components of the images of *other* classes (0 to 4), with a constant 1.

    What a network learned on training classes is to a few-shot learner, in the simplest form:
    32 whitened directions, scaled so that a feature vector is about four long.

    **Arguments:**

    - `components`: of `digit_components`.
    """
    mean, directions = components
    flat = images.reshape(images.shape[0], -1)
    scores = (flat - mean) @ directions
    return jnp.concatenate([scores, jnp.ones((flat.shape[0], 1))], axis=1)


def digit_components() -> tuple[Float[Array, "64"], Float[Array, "64 32"]]:
    """The mean of images of digits 0 to 4, and the directions in which they differ most."""
    mean, directions = _components()
    return jnp.asarray(mean), jnp.asarray(directions)


def drawn_digits(tasks: FewShot, seed: int) -> tuple[Task, Task, Int[Array, " ways"]]:
    """A task of digits as images, the same as features, and its classes: one program for all."""
    return _drawn(tasks, jnp.asarray(seed), digit_components())


@kept
def _drawn(tasks: FewShot, seed: Array, components: tuple[Array, Array]) -> tuple:
    key = jax.random.key(seed)
    task = tasks.sample(key)
    features = Task(*((embed_digits(images, components), labels) for images, labels in task))
    return task, features, tasks.classes(key)


@functools.cache
def _components() -> tuple[np.ndarray, np.ndarray]:
    images = load("digits", split="train").images.reshape(-1, 64) / 255
    mean = images.mean(axis=0)
    _, scales, directions = np.linalg.svd(images - mean, full_matrices=False)
    spread = scales[:32] / np.sqrt(len(images))
    return mean, directions[:32].T / (spread + 0.2) / 1.5


@functools.lru_cache(maxsize=32)
def few_shot(shots: int, seed: int) -> tuple[Landscape, "Queries"]:
    """A 5-way task of handwritten digits 5 to 9, and the plane its adaptation mostly runs in.

    **Arguments:**

    - `shots`: 1, 2, 5 or 10 labelled examples a class. Each is repeated to make ten rows a class,
      which changes neither the mean loss nor its flow, so that every task has one shape and
      choosing another compiles nothing.
    - `seed`: which task.

    **Returns** the landscape in W (5 × 33), and the query images, in the order of their classes.
    """
    if MAX_SHOTS % shots:
        raise ValueError(f"shots must divide {MAX_SHOTS}: 1, 2, 5 or 10; got {shots}.")
    dataset = load("digits", split="test")
    task, features, classes = drawn_digits(FewShot(dataset, 5, MAX_SHOTS, 20), seed)
    names = tuple(dataset.names[c] for c in np.asarray(classes))
    rows = np.arange(5)[:, None] * MAX_SHOTS + np.arange(MAX_SHOTS)[None] % shots
    picked = lambda x: jnp.asarray(np.asarray(x)[rows.ravel()])
    data, validation = jax.tree.map(picked, features.support), features.query
    path = _path(data, jnp.asarray(np.geomspace(0.01, 100.0, 60)))
    W0 = jnp.zeros(path.shape[1:])
    flat = np.asarray(path).reshape(60, -1)
    _, _, directions = np.linalg.svd(flat, full_matrices=False)
    # Signs so that adaptation runs to the upper right.
    directions = directions[:2] * np.where(flat[-1] @ directions[:2].T < 0, -1, 1)[:, None]
    spots = flat @ directions.T
    low, high = spots.min(axis=0), spots.max(axis=0)
    margin = 0.35 * (high - low).max()
    return Landscape(
        cross_entropy,
        data,
        validation,
        origin=W0,
        basis=jnp.asarray(directions).reshape(2, *W0.shape),
        start=jnp.zeros(2),
        low=jnp.asarray(low - margin),
        high=jnp.asarray(high + margin),
        linear_head=True,
    ), Queries(task.query[0][..., 0], jnp.argmax(task.query[1], axis=1), names)


@kept
def _path(data: tuple[Array, Array], ts: Array) -> Array:
    features, labels = data
    W0 = jnp.zeros((labels.shape[1], features.shape[1]))
    path = linear_flow(W0, features, labels, ts[-1], ts=ts, throw=False).path
    assert path is not None
    return path


@in_float64
def opened(name: str, **settings: Any) -> tuple[Landscape, "Queries | None"]:
    """`landscape(...)` with NumPy arrays in double precision, for drawing."""
    return landscape(name, **settings)


@in_float64
def surface(
    land: Landscape, xlim: tuple[float, float], ylim: tuple[float, float], points: int = 64
) -> tuple:
    """x, y and the loss on a grid: (points,), (points,), (y, x)."""
    x, y = jnp.linspace(*xlim, points), jnp.linspace(*ylim, points)
    return x, y, _surface(land, x, y)


@kept
def _surface(land: Landscape, x: Array, y: Array) -> Array:
    value = lambda a, b: land.at(land.embed(jnp.stack([a, b])))
    return jax.vmap(lambda b: jax.vmap(lambda a: value(a, b))(x))(y)


@in_float64
def loss_at(land: Landscape, point: Numbers) -> Array:
    """The loss at a point of the plane."""
    land = jax.tree.map(jnp.asarray, land)
    return land.at(land.embed(jnp.asarray(point)))
