"""Linear models that learn to adapt, on boundaries in a plane: what MetaOptimizerLab shows."""

import functools
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Int, PRNGKeyArray

from ..adjoints import Unrolled
from ..inner import (
    CFC,
    KFC,
    AbstractUpdateRule,
    KLin,
    MetaSGDRule,
    gradient_descent,
    meta_optimizer,
)
from ..models import AbstractNetwork, CrossEntropy, LinNet, cross_entropy
from ..solution import Solution
from ..tasks import LinearBoundaries, Task
from .kept import kept
from .listed import one_of
from .precision import in_float64

LR, LINNET, SGD, CURVATURE, KLIN, KFCS, CFCS = MODELS = (
    "LR", "LR + LinNet", "LR w/ Meta-SGD", "LR w/ Meta-Curvature", "LR w/ KLin", "LR w/ KFC",
    "LR w/ CFC",
)  # fmt: skip
DEPTHS, RANKS = (1, 2, 3), (1, 2)
META_STEPS, EVERY = 150, 5  # of meta-training; how far apart it is looked at
STOPS = tuple(range(0, META_STEPS + 1, EVERY))
MOST_STEPS = 3  # within a task
POINTS, QUERIES = 20, 50
TASKS, SHOWN_TASKS = 5, 8  # of a meta-step; to look at
META_RATE = 0.03  # of Adam
_WIDTH = 4  # of LinNet's hidden layers


class Learner(eqx.Module):
    """What is meta-learned: the initial network, and the update rule where there is one."""

    network: AbstractNetwork
    rule: AbstractUpdateRule | None


class Course(eqx.Module):
    """One model's meta-training, looked at before the first step and after every fifth.

    **Fields:**

    - `meta`: what is learned so far, its arrays with a leading axis.
    - `accuracy`: after adaptation, on the queries of the tasks of this meta-step and the four that
      follow, none of them seen before; NaN once it has diverged.
    """

    meta: Learner
    accuracy: Float[np.ndarray, " stops"]


class Look(eqx.Module):
    """One model adapting to one task. A weight w says that x is positive where w·x > 0.

    **Fields:**

    - `weights`: before the first step and after each; of LinNet, of the matrix it collapses to.
    - `gradient`: of the loss, in the first weight.
    - `update`: what the first step subtracts from the weight, divided by the learning rate.
    - `A`: the derivative of update in gradient. For regression it is the identity; for LinNet
      J Jᵀ, with J the derivative of the weight in the layers.
    """

    weights: Float[Array | np.ndarray, "steps_1 2"]
    gradient: Float[Array | np.ndarray, "2"]
    update: Float[Array | np.ndarray, "2"]
    A: Float[Array | np.ndarray, "2 2"]


class Record(eqx.Module):
    """What a model has learned, and what it does.

    **Fields:**

    - `accuracy`: at each of `STOPS`, as in `Course`.
    - `look`: at the chosen stop, on one new task.
    - `factors`: of its update rule at that stop, by name: those of the first layer.
    - `points`, `positive`: of the task that is looked at, those it adapts to.
    - `normal`: of the task's boundary, unit length.
    - `wanted`: the A that turns the expected gradient at the origin into that normal, for every
      task; up to a factor.
    """

    accuracy: Float[np.ndarray, " stops"]
    look: Look
    factors: dict[str, np.ndarray]
    points: Float[Array | np.ndarray, "M 2"]
    positive: Float[Array | np.ndarray, " M"]
    normal: Float[np.ndarray, "2"]
    wanted: Float[np.ndarray, "2 2"]


@in_float64
def study(*, meta_step: int, task: int, **settings: Any) -> Record:
    """Meta-train a model as `course` says, and look at it adapting to one task.

    **Arguments:**

    - `meta_step`: when to look at it, one of `STOPS`.
    - `task`: which new task to look at, 0 to 7.
    - `settings`: all those of `course`.

    **Raises** `ValueError` for settings that are not listed.
    """
    one_of("meta_step", meta_step, STOPS)
    one_of("task", task, range(SHOWN_TASKS))
    learned = course(**settings)
    meta = jax.tree.map(lambda x: x[STOPS.index(meta_step)], learned.meta)
    shape = _plane(settings["stretch"], settings["tilt"])
    _, shown, normals = _tasks(settings["seed"])
    support, _ = _stretched(jax.tree.map(lambda x: x[task], shown), shape)
    normal = np.linalg.solve(shape, normals[task])
    model = settings["model"]
    numbers = _numbers(model, settings["alpha"], settings["num_steps"])
    return Record(
        accuracy=learned.accuracy,
        look=jax.device_get(_look(_program(model), meta, support, *numbers)),
        factors=_factors(meta.rule),
        points=support[0],
        positive=support[1][:, 1],
        normal=normal / np.linalg.norm(normal),
        wanted=np.linalg.inv(shape @ shape),
    )


def courses(**settings: Any) -> dict[str, Course]:
    """`course` of each of `MODELS`, by name: two at a time, for the first call compiles for long.

    **Arguments:**

    - `settings`: all those of `course` but `model`.
    """
    in_float64(_tasks)(settings["seed"])
    with ThreadPoolExecutor(2) as pool:
        found = pool.map(lambda model: course(model=model, **settings), MODELS)
        return dict(zip(MODELS, found, strict=True))


@in_float64
def course(
    *,
    model: str,
    alpha: float,
    num_steps: int,
    stretch: float,
    tilt: float,
    depth: int,
    rank: int,
    seed: int,
) -> Course:
    """Meta-train a model on a family of tasks.

    The labels are those of a random boundary through the origin, as in `LinearBoundaries`; then
    the plane is stretched, so that points spread `stretch` times as far in one direction as in
    the other. A boundary stays one; but gradients point where points spread.

    **Arguments:**

    - `model`: one of `MODELS`.
    - `alpha`: the learning rate within a task, by which rules that adapt move as well.
    - `num_steps`: within a task, 1 to 3.
    - `stretch`: the ratio of the spreads, at least 1; `tilt`: the direction of the larger one, in
      degrees from the first axis.
    - `depth`: layers of KFC and CFC, and hidden layers of LinNet; one of `DEPTHS`.
    - `rank`: of CFC, one of `RANKS`.
    - `seed`: which tasks, and which start.

    **Raises** `ValueError` for settings that are not listed.

    Source: Decoupling Adaptation from Modeling (2020), Sections 3.2, 4.1 and 4.2; here in the
    plane, with points that spread unequally, which is no experiment of the paper.
    """
    one_of("model", model, MODELS)
    one_of("num_steps", num_steps, range(1, MOST_STEPS + 1))
    one_of("depth", depth, DEPTHS)
    one_of("rank", rank, RANKS)
    if not (alpha > 0 and stretch >= 1):
        raise ValueError(
            f"alpha must be positive and stretch at least 1; got {alpha} and {stretch}."
        )
    # Without sizes that the model does not have: it shall not be trained anew for those.
    depth = depth if model in (LINNET, KFCS, CFCS) else 1
    rank = rank if model == CFCS else 1
    return _course(model, depth, rank, float(alpha), num_steps, float(stretch), float(tilt), seed)


def _numbers(model: str, alpha: float, num_steps: int) -> tuple[Any, Any, Any]:
    """α, the rate of the rule's own steps, and how many: as NumPy arrays, to be traced."""
    return (
        np.asarray(alpha),
        np.asarray(0.0 if model == CURVATURE else alpha),
        np.asarray(num_steps),
    )


def _program(model: str) -> str:
    """Meta-Curvature is KLin, its rule's own steps of length zero: one program for both."""
    return KLIN if model == CURVATURE else model


def _factors(rule: Any) -> dict[str, np.ndarray]:
    """The arrays of the rule's first layer."""
    if rule is None:
        return {}
    map_ = jax.tree.leaves(rule.maps, is_leaf=lambda x: hasattr(x, "needs"))[0]
    first = map_.maps[0] if hasattr(map_, "maps") else map_
    arrays = {name: np.asarray(value) for name, value in vars(first).items()}
    return {name: a[0] if name == "rates" else a for name, a in arrays.items()}


# ---------------------------------------------------------------------- the family of tasks
def _plane(stretch: float, tilt: float) -> Float[np.ndarray, "2 2"]:
    """Symmetric: the standard deviations of the points, of product 1."""
    along = np.deg2rad(tilt)
    turn = np.array([[np.cos(along), -np.sin(along)], [np.sin(along), np.cos(along)]])
    return turn @ np.diag([stretch**0.5, stretch**-0.5]) @ turn.T


@functools.lru_cache(maxsize=8)
def _tasks(seed: int) -> tuple[Task, Task, Float[np.ndarray, "tasks 2"]]:
    """To meta-train on, and to look at, in a round plane; the normals of the latter."""
    # Drawn by NumPy: compiling JAX's generator would take longer than everything else here.
    random, count = np.random.default_rng(seed), len(STOPS) * EVERY * TASKS
    normals: Any = random.normal(size=(count + SHOWN_TASKS, 2))
    points: Any = random.normal(size=(len(normals), POINTS + QUERIES, 2))
    label = eqx.filter_jit(jax.vmap(LinearBoundaries(2).labels))
    labels: Any = np.asarray(label(points, normals))
    part = lambda tasks, examples: (points[tasks, examples], labels[tasks, examples])
    support, queries = slice(POINTS), slice(POINTS, None)
    draw = lambda tasks: Task(part(tasks, support), part(tasks, queries))
    batches = len(STOPS), EVERY, TASKS
    many = jax.tree.map(lambda x: x.reshape(*batches, *x.shape[1:]), draw(slice(count)))
    return many, draw(slice(count, None)), normals[count:]


def _stretched(task: Task, shape: Any) -> Task:
    (x, y), (queries, answers) = task
    return Task((x @ shape, y), (queries @ shape, answers))


# ---------------------------------------------------------------------- the models
def _recipe(name: str, depth: int, rank: int) -> tuple[LinNet, Any]:
    network = LinNet(2, (_WIDTH,) * depth if name == LINNET else ())
    rules = {
        SGD: MetaSGDRule(), KLIN: KLin(), KFCS: KFC(depth, apart=False),
        CFCS: CFC(rank, depth, apart=False),
    }  # fmt: skip
    return network, rules.get(name)


def _optimizer(
    name: str, rule: Any, alpha: Array, adaptation: Array
) -> optax.GradientTransformation:
    if rule is None:
        return optax.sgd(alpha)
    return meta_optimizer(rule, alpha, adaptation=None if name == SGD else adaptation)


def _first(
    optimizer: optax.GradientTransformation, num_steps: Int[Array, ""]
) -> optax.GradientTransformation:
    """`optimizer` for so many steps, then rest: their number is traced, the loop's is not."""

    def update(grads, state, params=None):
        count, inner = state
        updates, moved = optimizer.update(grads, inner, params)
        choose = lambda new, old: jnp.where(count < num_steps, new, old)
        rest = jax.tree.map(jnp.zeros_like, updates)
        return jax.tree.map(choose, updates, rest), (
            count + 1, jax.tree.map(choose, moved, inner),
        )  # fmt: skip

    start = lambda params: (jnp.zeros_like(num_steps), optimizer.init(params))
    return optax.GradientTransformation(start, update)  # pyright: ignore[reportArgumentType]


def _adapt(
    name: str, meta: Learner, support: tuple, alpha: Array, adaptation: Array, num_steps: Array,
    path: bool = False,
) -> Solution:  # fmt: skip
    optimizer = _first(_optimizer(name, meta.rule, alpha, adaptation), num_steps)
    return gradient_descent(
        CrossEntropy(), meta.network, support, MOST_STEPS, optimizer=optimizer, path=path,
        adjoint=Unrolled(),
    )  # fmt: skip


# ---------------------------------------------------------------------- what they learn
@functools.lru_cache(maxsize=64)
def _course(
    name: str, depth: int, rank: int, alpha: float, num_steps: int, stretch: float, tilt: float,
    seed: int,
) -> Course:  # fmt: skip
    many, _, _ = _tasks(seed)
    shape: Any = _plane(stretch, tilt)
    name, numbers = _program(name), _numbers(name, alpha, num_steps)
    run = _train(name, _start(name, depth, rank, seed), many, shape, *numbers)
    return Course(*jax.device_get(run))


@functools.lru_cache(maxsize=64)
def _start(name: str, depth: int, rank: int, seed: int) -> Learner:
    recipe, rule = _recipe(name, depth, rank)
    key = jax.random.key(seed)
    network = _network(recipe, key)
    return jax.device_get(Learner(network, None if rule is None else rule.init(network, key)))


@kept
def _network(recipe: LinNet, key: PRNGKeyArray) -> AbstractNetwork:
    return recipe.init(key)


@kept
def _train(
    name: str, start: Learner, many: Task, shape: Array, alpha: Array, adaptation: Array,
    num_steps: Array,
) -> tuple[Learner, Float[Array, " stops"]]:  # fmt: skip
    criterion, adam = CrossEntropy(), optax.adam(META_RATE)
    arrays, fixed = eqx.partition(start, eqx.is_inexact_array)
    # Few numbers, so in one vector and in forward mode: there is less to compile.
    first, unravel = ravel_pytree(arrays)

    def loss(flat, tasks):
        def one(task):
            meta = eqx.combine(unravel(flat), fixed)
            run = _adapt(name, meta, task.support, alpha, adaptation, num_steps)
            logits = jnp.where(run.ok, run.params(task.query[0]), jnp.nan)
            right = criterion.score(logits, task.query[1])
            return criterion.loss(logits, task.query[1]), jnp.where(run.ok, right, jnp.nan)

        return jax.tree.map(jnp.mean, jax.vmap(one)(tasks))

    def step(carry, tasks):
        flat, state = carry
        slope, accuracy = jax.jacfwd(loss, has_aux=True)(flat, _stretched(tasks, shape))
        updates, state = adam.update(slope, state)
        return (flat + updates, state), accuracy

    def stop(carry, batch):
        after, accuracy = jax.lax.scan(step, carry, batch)
        return after, (carry[0], jnp.mean(accuracy))

    stops, accuracy = jax.lax.scan(stop, (first, adam.init(first)), many)[1]
    return eqx.combine(jax.vmap(unravel)(stops), fixed), accuracy


# ---------------------------------------------------------------------- what one of them does
@kept
def _look(
    name: str, meta: Learner, support: tuple, alpha: Array, adaptation: Array, num_steps: Array
) -> Look:
    run = _adapt(name, meta, support, alpha, adaptation, num_steps, path=True)
    weight = lambda network: network.collapse().weights[0][0]
    layers, fixed = eqx.partition(meta.network, eqx.is_inexact_array)
    first, pull = jax.vjp(lambda layers: weight(eqx.combine(layers, fixed)), layers)
    gradient = jax.grad(lambda w: cross_entropy(jnp.stack([0 * w, w]), support))(first)

    def update(gradient):
        """J U(Jᵀ g): to the layers, through the rule, and back to the weight."""
        (grads,) = pull(gradient)
        moved = grads if meta.rule is None else meta.rule(grads, ())[0]
        return jax.jvp(lambda layers: weight(eqx.combine(layers, fixed)), (layers,), (moved,))[1]

    A = jax.jacfwd(update)(gradient)
    return Look(jax.vmap(weight)(run.path), gradient, update(gradient), A)
