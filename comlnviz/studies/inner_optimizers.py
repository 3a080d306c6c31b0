"""Optimizers on one small problem, and their knobs meta-learned: what InnerOptimizerLab shows."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int

from ..inner import Learned, LearnedOptimizer, gradient_descent
from ..tasks import Task
from .kept import kept
from .precision import in_float64

# By name: what makes the optimizer, its learned settings other than the rate, and what stays.
_MAKERS: dict[str, tuple[Callable, dict[str, float], dict[str, Any]]] = {
    "SGD": (optax.sgd, {}, {}),
    "momentum": (optax.sgd, {"momentum": 0.9}, {}),
    "Adam": (optax.adam, {"b1": 0.9, "b2": 0.999}, {"eps_root": 1e-8}),
    "RMSProp": (optax.rmsprop, {"decay": 0.9}, {}),
    "Adagrad": (optax.adagrad, {}, {}),
}
OPTIMIZERS = tuple(_MAKERS)
LINEAR, LOGISTIC, NEURON = PROBLEMS = ("linear regression", "logistic regression", "one neuron")
_LINKS: dict[str, Callable] = {
    LINEAR: lambda z: z,
    LOGISTIC: lambda z: 1 / (1 + np.exp(-z)),
    NEURON: np.tanh,
}
KNOBS = ("rate", "betas", "start")
ONE_FOR = {"all": (), "each parameter": ("array",), "each step": ("step",)}
MAX_STEPS, META_STEPS = 20, 60
TASKS, EXAMPLES = 24, 10  # to learn from, as many unseen ones, and examples of a set
POINTS = 48  # of the grid, in each direction
LOW, HIGH = np.array([-2.8, -2.6]), np.array([3.0, 3.0])
_START, _CENTRE, _SPREAD, _NOISE = np.array([-1.8, 1.6]), np.array([0.9, -0.6]), 0.6, 0.3
_META_RATE = 0.08

Weights = dict[str, Array]


class Meta(NamedTuple):
    """What is learned: where descent starts, and φ_opt."""

    start: Weights
    optimizer: dict[str, dict[str, Array]]


class Record(eqx.Module):
    """The optimizers, and one of them after each of K meta-steps.

    **Fields:**

    - `surface`: the support loss of the task shown on a grid between `LOW` and `HIGH`, (y, x).
    - `fixed_paths`: of each of `OPTIMIZERS`, on that task. `fixed_losses`: the mean query loss of
      unseen tasks after them.
    - `paths`, `losses`: the same of the learned optimizer, after 0, …, K meta-steps.
    - `seen_losses`: the mean query loss of the tasks that it learns from.
    - `rates`, `betas`: what they were then, each group's; betas by the optimizer's own names.
    - `starts`: where descent started then.
    """

    surface: Float[np.ndarray, "y x"]
    fixed_paths: Float[np.ndarray, "optimizers n 2"]
    fixed_losses: Float[np.ndarray, " optimizers"]
    paths: Float[np.ndarray, "K n 2"]
    losses: Float[np.ndarray, " K"]
    seen_losses: Float[np.ndarray, " K"]
    rates: Float[np.ndarray, "K groups"]
    betas: dict[str, Float[np.ndarray, "K groups"]]
    starts: Float[np.ndarray, "K 2"]


@in_float64
def study(
    *,
    optimizer: str,
    learned: tuple[str, ...],
    one_for: str,
    rate: float,
    num_steps: int,
    condition: float,
    tilt: float = 30.0,
    seed: int = 0,
    problem: str = LINEAR,
) -> Record:
    """Fit a model of two weights with every optimizer, and meta-learn the knobs of one.

    The tasks: labels of w·x + noise with another w in each, see `loss`; the squares of the inputs
    spread by 1 and 1/`condition`, which are linear regression's curvatures. The meta-gradient is
    exact, through every inner step, over 24 tasks at once.

    **Arguments:**

    - `optimizer`: one of `OPTIMIZERS`, whose knobs are learned.
    - `learned`: which of them, of `KNOBS`: its rate, its betas (or momentum), the start.
    - `one_for`: of rate and betas there is one for all, for each parameter, or for each step.
    - `rate`: of all optimizers, and where learning begins.
    - `num_steps`: inner steps, 1 to 20.
    - `condition`, `tilt`: of the valley; its angle to the first axis in degrees.
    - `seed`: which tasks.
    - `problem`: the model, one of `PROBLEMS`.

    **Raises** `ValueError` for what is not listed or out of range.

    Source: GIMLI (Grefenstette et al. 2019), Sections 2 and 5.2.
    """
    for name, value, listed in (
        ("problem", problem, PROBLEMS),
        ("optimizer", optimizer, OPTIMIZERS),
        ("one_for", one_for, tuple(ONE_FOR)),
        *(("learned", knob, KNOBS) for knob in learned),
    ):
        if value not in listed:
            raise ValueError(f"{name} must be among {', '.join(listed)}; got {value!r}.")
    if not 1 <= num_steps <= MAX_STEPS:
        raise ValueError(f"num_steps must be from 1 to {MAX_STEPS}; got {num_steps}.")
    if not rate > 0 or not condition >= 1:
        raise ValueError(f"rate must be positive, condition 1 or more; got {rate}, {condition}.")
    seen, unseen = tasks(condition, tilt, seed, problem)
    # By NumPy, which a slider moves without compiling anything.
    log_rate: Any = np.asarray(np.log(rate))
    n: Any = np.asarray(num_steps)
    mask: Any = {knob: np.asarray(float(knob in learned)) for knob in KNOBS}
    rule = optimizer_of(optimizer, ONE_FOR[one_for])
    fixed = _fixed(problem, unseen, log_rate, n)
    found = _learn(problem, rule, seen, unseen, log_rate, mask, n)
    (surface, fixed_paths, fixed_losses), (paths, losses, seen_losses, knobs, starts) = (
        jax.device_get((fixed, found))
    )
    there = slice(num_steps + 1)
    used = slice(num_steps if one_for == "each step" else None)  # later steps are not taken
    knobs = {name: values[:, used] for name, values in knobs.items()}
    return Record(
        surface=surface,
        fixed_paths=fixed_paths[:, there],
        fixed_losses=fixed_losses,
        paths=paths[:, there],
        losses=losses,
        seen_losses=seen_losses,
        rates=knobs.pop("learning_rate"),
        betas=knobs,
        starts=starts,
    )


def optimizer_of(name: str, per: tuple[str, ...] = ()) -> LearnedOptimizer:
    """The optimizer with its rate and betas learned."""
    make, betas, rest = _MAKERS[name]
    settings = {beta: Learned(start, per, "unit") for beta, start in betas.items()}
    return LearnedOptimizer(make, learning_rate=Learned(0.1, per), **settings, **rest)


# ---------------------------------------------------------------------- the tasks
@functools.lru_cache(maxsize=16)
def _drawn(seed: int) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    shape = (2 * TASKS, 2 * EXAMPLES)
    weights = _CENTRE + _SPREAD * rng.normal(size=(2 * TASKS, 2))
    return weights, rng.normal(size=(*shape, 2)), _NOISE * rng.normal(size=shape)


def tasks(condition: float, tilt: float, seed: int, problem: str = LINEAR) -> tuple[Task, Task]:
    """Tasks to learn from and unseen ones, along their arrays' first axis."""
    weights, inputs, noise = _drawn(seed)
    cos, sin = np.cos(np.deg2rad(tilt)), np.sin(np.deg2rad(tilt))
    # The flat direction falls off by `tilt` from the first axis, as the way to most minima does.
    stretch = np.array([[cos, sin], [-sin, cos]]) * [condition**-0.5, 1.0]
    inputs = inputs @ stretch.T
    labels = _LINKS[problem](np.einsum("tmi,ti->tm", inputs, weights) + noise)
    pick: Any = lambda t, m: (inputs[t, m], labels[t, m])
    support, query = slice(EXAMPLES), slice(EXAMPLES, None)
    halves = slice(TASKS), slice(TASKS, None)
    seen, unseen = (Task(pick(t, support), pick(t, query)) for t in halves)
    return seen, unseen


def loss(weights: Weights, data: tuple[Array, Array], problem: str = LINEAR) -> Float[Array, ""]:
    """How far the model is from the labels, in the mean; 0 where it fits them.

    Of linear regression, w·x, and of one neuron, tanh(w·x), half the squared error; of logistic
    regression, whose labels are probabilities, the Kullback-Leibler divergence: cross-entropy but
    for a constant.
    """
    inputs, labels = data
    z = inputs[:, 0] * weights["w1"] + inputs[:, 1] * weights["w2"]
    if problem == LOGISTIC:
        truth = jax.scipy.special.logit(labels)
        excess = jax.nn.softplus(z) - jax.nn.softplus(truth) - labels * (z - truth)
        return jnp.mean(excess)
    return jnp.mean(((z if problem == LINEAR else jnp.tanh(z)) - labels) ** 2) / 2


# ---------------------------------------------------------------------- the inner loop
def inner_path(
    rule: LearnedOptimizer, meta: Meta, support: tuple[Array, Array], problem: str = LINEAR
) -> Weights:
    """The weights before the first and after every inner step."""
    of_problem = lambda weights, data: loss(weights, data, problem)
    solution = gradient_descent(
        of_problem, meta.start, support, MAX_STEPS, optimizer=rule(meta.optimizer), path=True
    )
    assert solution.path is not None
    return solution.path


def meta_loss(
    rule: LearnedOptimizer,
    meta: Meta,
    tasks: Task,
    n: Int[Array | np.ndarray, ""],
    problem: str = LINEAR,
) -> Float[Array, ""]:
    """The mean query loss after n inner steps; n is traced: nothing compiles when it changes."""

    def one(task):
        path = inner_path(rule, meta, task.support, problem)
        return loss(jax.tree.map(lambda w: w[n], path), task.query, problem)

    return jnp.mean(jax.vmap(one)(tasks))


def begin(rule: LearnedOptimizer, log_rate: Float[Array | np.ndarray, ""]) -> Meta:
    """Nothing learned yet."""
    start = {"w1": jnp.asarray(_START[0]), "w2": jnp.asarray(_START[1])}
    phi = rule.init(jax.random.key(0), start, MAX_STEPS)
    rates = jax.tree.map(lambda free: jnp.full_like(free, log_rate), phi["learning_rate"])
    return Meta(start, {**phi, "learning_rate": rates})


def _shown(tasks: Task) -> tuple[Array, Array]:
    """The support set of the task in the plane."""
    return jax.tree.map(lambda x: x[0], tasks.support)


def _points(weights: Weights) -> Float[Array, "*n 2"]:
    return jnp.stack([weights["w1"], weights["w2"]], axis=-1)


@kept
def _fixed(problem: str, unseen: Task, log_rate: Array, n: Array) -> tuple:
    """The surface, and every optimizer's path and mean query loss."""
    x, y = (jnp.linspace(LOW[i], HIGH[i], POINTS) for i in range(2))
    at = lambda x, y: loss({"w1": x, "w2": y}, _shown(unseen), problem)
    surface = jax.vmap(lambda y: jax.vmap(lambda x: at(x, y))(x))(y)
    paths, losses = [], []
    for name in OPTIMIZERS:
        rule = optimizer_of(name)
        meta = begin(rule, log_rate)
        paths.append(_points(inner_path(rule, meta, _shown(unseen), problem)))
        losses.append(meta_loss(rule, meta, unseen, n, problem))
    return surface, jnp.stack(paths), jnp.stack(losses)


@kept
def _learn(
    problem: str,
    rule: LearnedOptimizer,
    seen: Task,
    unseen: Task,
    log_rate: Array,
    mask: dict[str, Array],
    n: Array,
) -> tuple:
    """Meta-train; then look at what each meta-step's knobs do."""
    outer, first = optax.adam(_META_RATE), begin(rule, log_rate)

    def meta_step(carry, _):
        meta, memory = carry
        value, gradient = jax.value_and_grad(meta_loss, 1)(rule, meta, seen, n, problem)
        updates, memory = outer.update(gradient, memory)
        start, phi = cast(Meta, updates)
        scale = lambda tree, knob: jax.tree.map(lambda u: mask[knob] * u, tree)
        phi = {
            name: scale(u, "rate" if name == "learning_rate" else "betas")
            for name, u in phi.items()
        }
        later = cast(Meta, optax.apply_updates(meta, Meta(scale(start, "start"), phi)))
        return (later, memory), (later, value)

    (last, _), (later, before) = jax.lax.scan(
        meta_step, (first, outer.init(first)), length=META_STEPS
    )
    seen_losses = jnp.append(before, meta_loss(rule, last, seen, n, problem))
    metas = jax.tree.map(lambda a, b: jnp.concatenate([a[None], b]), first, later)
    shown = lambda meta: _points(inner_path(rule, meta, _shown(unseen), problem))
    paths = jax.vmap(shown)(metas)
    losses = jax.vmap(lambda meta: meta_loss(rule, meta, unseen, n, problem))(metas)
    knobs = {
        name: jnp.concatenate([v.reshape(META_STEPS + 1, -1) for v in groups.values()], axis=1)
        for name, groups in rule.values(metas.optimizer).items()
    }
    return paths, losses, seen_losses, knobs, _points(metas.start)
