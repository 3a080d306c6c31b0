"""GIMLI, Figure 1: rates that are meta-learned while a network trains, against schedules."""

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, PyTree

from ..adjoints import Checkpointed
from ..data import load
from ..inner import Learned, LearnedOptimizer, gradient_descent
from ..models import Classifier, CrossEntropy, DenseNet
from ..models.freeze import split
from ..training import TrainingError
from ..training.evaluate import ci95
from .experiment import Experiment, Preset
from .findings import Cells, Finding, below_none, is_so

FIXED, STEPS, LEARNED = KINDS = ("fixed", "multi-step", "meta-learned")
COLUMN = "test accuracy"
NEAR = 1.0  # per cent from where the multi-step schedule ends
Images = tuple[Float[Array, "M H W C"], Float[Array, "M N"]]


def _sgd(learning_rate: Any) -> optax.GradientTransformation:
    """As Huang et al. (2017) train."""
    momentum = optax.sgd(learning_rate, momentum=0.9, nesterov=True)
    return optax.chain(optax.add_decayed_weights(1e-4), momentum)


RULE = LearnedOptimizer(_sgd, learning_rate=Learned(0.1, "array", "real"))


@dataclasses.dataclass(frozen=True)
class Training:
    """How a network is trained, and how its rates are meta-learned.

    **Fields:**

    - `epochs`, `batch_size`: the multi-step schedule divides the rate by 10 after a half and after
      three quarters of them.
    - `validation`: examples of each class that the meta-learned variant sets apart.
    - `unroll`, `batches`, `meta_batch`: after each epoch so many steps are unrolled, and judged on
      so many batches of the validation set; both of `meta_batch` examples.
    - `meta_rate`: of Adam on the rates.
    - `seeds`: how many runs.
    """

    data: str
    encoder: DenseNet
    epochs: int
    validation: int
    meta_rate: float
    batch_size: int = 64
    unroll: int = 15
    batches: int = 10
    meta_batch: int = 16
    seeds: int = 3

    def examples(self, split: str) -> Images:
        """All of a split, ordered by class."""
        images = _digits(split) if self.data == "digits" else load(self.data, split=split).images
        labels = jnp.repeat(jnp.eye(len(images)), images.shape[1], axis=0)
        flat = np.ascontiguousarray(images).reshape(-1, *images.shape[2:])
        return jnp.asarray(flat).astype(float) / 255, labels

    def rate(self, kind: str, epoch: int) -> float:
        """Of the schedules, at an epoch."""
        drops = (epoch >= self.epochs // 2) + (epoch >= self.epochs * 3 // 4)
        return 0.1 * 0.1**drops if kind == STEPS else 0.1


def _digits(split: str) -> np.ndarray:
    """All ten digits, three quarters of each for training: elsewhere the splits are of classes."""
    parts = [load("digits", split=part).images for part in ("train", "test")]
    size = min(part.shape[1] for part in parts)
    images = np.concatenate([part[:, :size] for part in parts])
    cut = size * 3 // 4
    return images[:, :cut] if split == "train" else images[:, cut:]


CLASSROOM = Training("digits", DenseNet((8, 8, 1), 6, (2, 2), 12, "running"), 30, 13, 0.01)
PAPER = Training(
    "cifar-10", DenseNet((32, 32, 3), 12, (16, 16, 16), 24, "running"), 300, 50, 0.001
)  # fmt: skip


class State(eqx.Module):
    """A network in training: itself with its running statistics, and the optimizer's memory."""

    network: PyTree
    memory: PyTree


@eqx.filter_jit
def epoch(
    state: State, phi: PyTree, examples: Images, rows: Int[Array, "batches B"]
) -> tuple[State, Float[Array, " batches"]]:
    """A step of SGD on each of the batches."""

    def step(state: State, rows):
        moving, still = split(state.network)
        images, labels = (x[rows] for x in examples)

        def loss(moving):
            logits, after = eqx.combine(moving, still).train(images)
            return CrossEntropy().loss(logits, labels), after

        (value, after), grads = eqx.filter_value_and_grad(loss, has_aux=True)(moving)
        updates, memory = RULE(phi).update(grads, state.memory, moving)
        seen = eqx.combine(eqx.apply_updates(moving, updates), split(after)[1])
        return State(seen, memory), value

    return jax.lax.scan(step, state, rows)


@eqx.filter_jit
def meta_gradient(
    phi: PyTree, state: State, examples: Images, inner: Array, outer: Array
) -> tuple[Float[Array, ""], PyTree]:
    """The loss on the batches `outer` after a step on each of `inner`, and its slope in the rates.

    The network that is trained stays where it is.
    """
    moving, still = split(state.network)
    batch = lambda rows: tuple(x[rows] for x in examples)

    def of(moving, data):
        return CrossEntropy().loss(eqx.combine(moving, still).train(data[0])[0], data[1])

    def loss(phi):
        resumed = optax.GradientTransformation(lambda params: state.memory, RULE(phi).update)
        run = gradient_descent(
            lambda moving, data, step: of(moving, jax.tree.map(lambda x: x[step], data)),
            moving, batch(inner), len(inner), optimizer=resumed, stepwise=True,
            adjoint=Checkpointed(),
        )  # fmt: skip
        return jnp.mean(jax.lax.map(lambda rows: of(run.params, batch(rows)), outer))

    return jax.value_and_grad(loss)(phi)


@eqx.filter_jit
def _accuracy(network: Any, examples: Images) -> Float[Array, ""]:
    return CrossEntropy().score(network(examples[0]), examples[1])


def course(kind: str, training: Training, seed: int) -> dict[str, Any]:
    """Accuracy on the test set after each epoch, in per cent; of learned rates their course, too.

    **Raises** `TrainingError` when the network is lost.
    """
    examples, test = (training.examples(split) for split in ("train", "test"))
    ways, random = examples[1].shape[1], np.random.default_rng(seed)
    by_class = np.arange(len(examples[0])).reshape(ways, -1)
    cut = training.validation if kind == LEARNED else 0
    validation, mine = by_class[:, :cut].ravel(), by_class[:, cut:].ravel()
    network = eqx.filter_jit(Classifier(training.encoder, ways).init)(jax.random.key(seed))
    moving, _ = split(network)
    phi: Any = RULE.init(jax.random.key(0), moving, 1)
    state, adam = State(network, RULE(phi).init(moving)), optax.adam(training.meta_rate)
    moments, accuracy, rates = adam.init(phi), [], []
    draw = lambda rows, count: jnp.asarray(
        random.choice(rows, (count, training.meta_batch), replace=True)
    )
    for number in range(training.epochs):
        if kind != LEARNED:
            phi = jax.tree.map(partial(jnp.full_like, fill_value=training.rate(kind, number)), phi)
        order = random.permutation(mine)
        order = order[: len(order) // training.batch_size * training.batch_size]
        rows = jnp.asarray(order.reshape(-1, training.batch_size))
        state, losses = epoch(state, phi, examples, rows)
        if not np.isfinite(losses[-1]):
            raise TrainingError(f"{kind}: the loss was not finite at epoch {number}.")
        accuracy.append(round(100 * float(_accuracy(state.network, test)), 2))
        if kind == LEARNED:
            inner, outer = draw(mine, training.unroll), draw(validation, training.batches)
            _, slope = meta_gradient(phi, state, examples, inner, outer)
            updates, moments = adam.update(slope, moments)
            phi = optax.apply_updates(phi, updates)
            rates.append([float(f"{x:.3g}") for x in RULE.means(phi)["learning_rate"]])
    return {"accuracy": accuracy, "rates": rates} if rates else {"accuracy": accuracy}


def _cell(kind: str, training: Training, scratch: Path) -> dict[str, Any]:
    runs = [course(kind, training, seed) for seed in range(training.seeds)]
    ends = np.array([run["accuracy"][-1] for run in runs])
    curve = np.mean([run["accuracy"] for run in runs], axis=0)
    record: dict[str, Any] = {
        "mean": round(float(ends.mean()), 2),
        "ci95": round(float(ci95(ends)), 2),
        "curve": [round(float(a), 2) for a in curve],
    }
    return {**record, "rates": runs[0]["rates"]} if kind == LEARNED else record


def preset(training: Training, cost: str) -> Preset:
    """The three kinds of rates."""
    cells: dict[str, Callable[[Path], dict[str, Any]]] = {
        f"{kind}, {COLUMN}": partial(_cell, kind, training) for kind in KINDS
    }
    described: dict[str, Any] = dataclasses.asdict(training)
    described["encoder"] = str(training.encoder)
    described["inner"] = "SGD, Nesterov's momentum 0.9, weight decay 1e-4, rates 0.1 at first"
    return Preset((training.data,), cost, described, cells)


def judge(cells: Cells) -> tuple[Finding, ...]:
    """Where the learned rates end, and how soon they are near the end of the schedule."""
    name = lambda kind: f"{kind}, {COLUMN}"
    found = [
        below_none("Learned rates end no lower than the multi-step schedule.", cells, name(LEARNED),
                   [name(STEPS)]),
        below_none("The multi-step schedule ends no lower than a fixed rate.", cells, name(STEPS),
                   [name(FIXED)]),
    ]  # fmt: skip
    schedule, learned = (cells.get(name(kind), {}).get("curve") for kind in (STEPS, LEARNED))
    if schedule and learned:
        near = lambda curve: next(
            (i for i, a in enumerate(curve, 1) if a >= schedule[-1] - NEAR), len(curve) + 1
        )
        ours, theirs = near(learned), near(schedule)
        said = f"at epoch {ours}" if ours <= len(learned) else "not at all"
        why = f"within {NEAR:g}% of the schedule's end: learned {said}, the schedule at {theirs}"
        found.append(is_so("Learned rates are near it in fewer epochs.", ours < theirs, why))
    return tuple(found)


EXPERIMENT = Experiment(
    "gimli-figure-1",
    "A DenseNet trained with rates that are fixed, annealed, and meta-learned",
    "With rates meta-learned for each array training comes near the end of a hand-made schedule in "
    "fewer epochs.",
    {
        "classroom": lambda: preset(CLASSROOM, "about 10 minutes on one core"),
        "paper": lambda: preset(PAPER, "days on one GPU"),
    },
    judge,
)
