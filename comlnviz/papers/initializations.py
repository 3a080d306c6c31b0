"""Experiments on functions and ratings: how good an initialization each method learns."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Key

from .. import algorithms as al
from ..adjoints import StoredStates
from ..inner import gradient_descent
from ..models import MLP, AbstractNetwork, Classifier, SquaredError
from ..tasks import AbstractTasks
from ..training import meta_train
from ..training.evaluate import ci95

ALPHA = 0.01  # of gradient descent, in meta-training and at test
SQUARED = SquaredError()
METHODS = ("AMAML", "MAML", "MAML-1", "FOMAML", "Reptile", "IMAML")


@dataclasses.dataclass(frozen=True)
class Protocol:
    """How every method is meta-trained and its initialization judged.

    **Fields:**

    - `inputs`, `widths`: of the network, with tanh.
    - `num_steps`, `batch_size`, `learning_rate`: of meta-training, by Adam.
    - `test_tasks`: how many are drawn, the same for all methods; of ratings, each user is one.
    """

    inputs: int
    widths: tuple[int, ...]
    num_steps: int
    batch_size: int = 5
    learning_rate: float = 1e-3
    test_tasks: int = 100
    seed: int = 0

    def described(self) -> dict[str, Any]:
        """For the record."""
        return {
            **dataclasses.asdict(self),
            "inner": f"gradient descent with {ALPHA}, A-MAML T = {ALPHA} times the steps and a "
            f"state stored every {ALPHA}, MAML a tenth of the steps; iMAML: proximal 1, 5 steps of "
            "conjugate gradients; the loss is half the mean squared error",
            "test": f"gradient descent with {ALPHA} for the full number of steps from the "
            "initialization of every method",
            "nRMSE": "root mean squared error over the deviation of the values of all tasks",
        }


def network(protocol: Protocol) -> Classifier:
    """The network's recipe."""
    return Classifier(MLP(protocol.inputs, protocol.widths, jnp.tanh), 1, SQUARED)


def methods(protocol: Protocol, steps: int) -> Mapping[str, al.AbstractAlgorithm]:
    """The six methods, for so many inner gradient steps."""
    model = network(protocol)
    return {
        "AMAML": al.AMAML(model, ALPHA * steps, adjoint=StoredStates(steps + 1)),
        "MAML": al.MAML(model, ALPHA, max(1, steps // 10)),
        "MAML-1": al.MAML(model, ALPHA, 1),
        "FOMAML": al.FOMAML(model, ALPHA, steps),
        "Reptile": al.Reptile(model, ALPHA, steps),
        "IMAML": al.IMAML(model, 1.0, ALPHA, steps, 5),
    }


def initialization(
    name: str, protocol: Protocol, steps: int, training: AbstractTasks, files: Path
) -> AbstractNetwork:
    """The network that a method learns to start from.

    Meta-training that was interrupted is taken up from its checkpoint in `files`; one that has
    ended is read from there.
    """
    run = meta_train(
        methods(protocol, steps)[name],
        training,
        num_steps=protocol.num_steps,
        batch_size=protocol.batch_size,
        optimizer=optax.adam(protocol.learning_rate),
        key=jax.random.key(protocol.seed),
        checkpoint=files / f"{name}.npz",
    )
    if run.interrupted:
        raise KeyboardInterrupt
    return getattr(run.meta, "network", run.meta)


def cell(
    name: str,
    protocol: Protocol,
    steps: int,
    training: AbstractTasks,
    testing: AbstractTasks,
    keys: Key[Array, " tasks"],
    files: Path,
) -> dict[str, Any]:
    """Meta-train a method; its nRMSE over gradient steps, on the tasks that `keys` draw."""
    start = initialization(name, protocol, steps, training, files)
    errors = np.asarray(learning(start, testing, keys, steps), float)
    shown = np.unique(np.linspace(0, steps, 51).astype(int))
    deviation = errors.std(axis=0, ddof=1)
    listed = lambda values: [float(f"{x:.4g}") for x in values]
    return {
        "mean": float(f"{errors[:, -1].mean():.4g}"),
        "ci95": float(f"{ci95(errors[:, -1]):.4g}"),
        "std": float(f"{deviation[-1]:.4g}"),
        "per_task": listed(errors[:, -1]),
        "steps": shown.tolist(),
        "curve": listed(errors.mean(axis=0)[shown]),
        "curve_std": listed(deviation[shown]),
    }


@eqx.filter_jit
def learning(
    network: AbstractNetwork, tasks: AbstractTasks, keys: Array, steps: int
) -> Float[Array, "tasks steps"]:
    """Errors (nRMSE) on the queries of each task before the first and after every gradient step."""

    def one(key):
        task = tasks.sample(key)
        path = gradient_descent(SQUARED, network, task.support, steps, path=True).path
        states, static = eqx.partition(path, eqx.is_array)
        score = lambda at: SQUARED.score(eqx.combine(at, static)(task.query[0]), task.query[1])
        return jax.vmap(score)(states)

    return jax.lax.map(one, keys)
