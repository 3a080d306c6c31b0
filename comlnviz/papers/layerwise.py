"""A meta-trained network, layer by layer: frozen, adapted alone, disturbed, scaled."""

import re
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from ..adjoints import Unrolled
from ..inner import gradient_descent
from ..models import AbstractNetwork, CrossEntropy
from ..models.freeze import split
from ..tasks import AbstractTasks, Task
from ..training import Score
from .few_shot import numbers

_BLOCK = re.compile(r"encoder\.blocks\.(\d+)\.(\d+)\.")


class Change(eqx.Module):
    """What is done to each layer of a network, from the first convolution to the linear head.

    All are arrays, so that one compiled program serves every change.

    **Fields:**

    - `adapts`: 1 where the layer is adapted, 0 where it is frozen, its normalization included.
    - `noise`: the standard deviation of what is added to each weight of the head, before the first
      step; another draw for each task.
    - `before`, `after`: factors of the layer's weights and biases, before the first step and after
      the last; normalization is not scaled.
    """

    adapts: Float[Array | np.ndarray, " layers"]
    noise: Float[Array | np.ndarray, ""]
    before: Float[Array | np.ndarray, " layers"]
    after: Float[Array | np.ndarray, " layers"]

    @classmethod
    def none(cls, layers: int) -> "Change":
        """Everything adapts, nothing is disturbed."""
        one = jnp.ones(layers)
        return cls(one, jnp.zeros(()), one, one)


class Course(eqx.Module):
    """A network adapting to one task.

    **Fields:**

    - `logits`: of the queries, before the first step and after each.
    - `moved`: how far each layer's weights have gone, relative to their size at the start.
    """

    logits: Float[Array, "steps_1 Q N"]
    moved: Float[Array, " layers"]


def layer_names(layers: int) -> tuple[str, ...]:
    """C1, C2, … and FC, as the paper calls them."""
    return (*(f"C{i}" for i in range(1, layers)), "FC")


def follow(
    network: AbstractNetwork,
    task: Task,
    change: Change,
    alpha: Float[Array, ""] | float,
    num_steps: int,
    key: PRNGKeyArray,
) -> Course:
    """Adapt a changed network by gradient descent, as MAML does, and ask it at every step.

    **Arguments:**

    - `network`: a `Classifier` of a `ConvNet`, meta-trained.
    - `task`: its support set is adapted to.
    - `change`: what is done to the layers.
    - `alpha`, `num_steps`: of gradient descent.
    - `key`: of the noise.

    Source: Decoupling Adaptation from Modeling (2020), Section 3.2 and Appendix A.2.2.
    """
    moving, still = split(network)
    layer, weighs = _places(moving)
    start = _scaled(_disturbed(moving, change.noise, key), layer, weighs, change.before)
    frozen = lambda update, i: jnp.where(change.adapts[i] > 0, update, 0)
    mask = optax.stateless(lambda updates, _: jax.tree.map(frozen, updates, layer))
    loss = lambda moving, data: CrossEntropy()(eqx.combine(moving, still), data)
    run = gradient_descent(
        loss, start, task.support, num_steps, optimizer=optax.chain(optax.sgd(alpha), mask),
        path=True, adjoint=Unrolled(),
    )  # fmt: skip

    def ask(state):
        asked = _scaled(state, layer, weighs, change.after)
        return eqx.combine(asked, still)(task.query[0])

    return Course(jax.lax.map(ask, run.path), _moved(start, run.params, layer, weighs, change))


@eqx.filter_jit
def scores(
    network: AbstractNetwork,
    tasks: AbstractTasks,
    change: Change,
    alpha: float,
    num_steps: int,
    keys: Array,
) -> Float[Array, " tasks"]:
    """The accuracy on the queries of each task, after the last step; NaN where it diverged."""

    def one(key):
        task = tasks.sample(key)
        logits = follow(network, task, change, alpha, num_steps, jax.random.fold_in(key, 1)).logits
        return CrossEntropy().score(logits[-1], task.query[1])

    return jax.lax.map(one, keys)


def measured(
    network: AbstractNetwork,
    tasks: AbstractTasks,
    change: Change,
    alpha: float,
    num_steps: int,
    num_tasks: int,
) -> dict[str, Any]:
    """`scores` for the record, on the same tasks whatever the change; one that diverged is none."""
    keys = jax.random.split(jax.random.key(0), num_tasks)
    found = np.asarray(scores(network, tasks, change, alpha, num_steps, keys), float)
    lost = np.isnan(found)
    found = np.where(lost, 0.0, found)
    record: dict[str, Any] = {**numbers(Score.of(found))}
    record["per_task"] = [round(float(share), 4) for share in found]
    return {**record, **({"diverged": int(lost.sum())} if lost.any() else {})}


def _places(moving: PyTree) -> tuple[PyTree, PyTree]:
    """For each array the number of its layer, the head's being −1, and whether it is a weight."""
    name = lambda path: jax.tree_util.keystr(path, simple=True, separator=".")
    block = lambda path: _BLOCK.match(name(path))
    each = jax.tree_util.tree_map_with_path
    layer = each(lambda path, _: int(found[1]) if (found := block(path)) else -1, moving)
    weighs = each(lambda path, _: found[2] == "0" if (found := block(path)) else True, moving)
    return layer, weighs


def _disturbed(moving: PyTree, noise: Float[Array | np.ndarray, ""], key: PRNGKeyArray) -> PyTree:
    head = moving.head
    return eqx.tree_at(
        lambda m: m.head, moving, head + noise * jax.random.normal(key, head.shape, head.dtype)
    )


def _scaled(
    moving: PyTree, layer: PyTree, weighs: PyTree, factors: Float[Array | np.ndarray, " layers"]
) -> PyTree:
    scale = lambda x, i, weight: x * factors[i] if weight else x
    return jax.tree.map(scale, moving, layer, weighs)


def _moved(
    start: PyTree, end: PyTree, layer: PyTree, weighs: PyTree, change: Change
) -> Float[Array, " layers"]:
    far, large = jnp.zeros_like(change.adapts), jnp.zeros_like(change.adapts)
    arrays = [jax.tree.leaves(tree) for tree in (start, end, layer, weighs)]
    for before, after, i, weight in zip(*arrays, strict=True):
        if weight:
            far = far.at[i].add(jnp.sum((after - before) ** 2))
            large = large.at[i].add(jnp.sum(before**2))
    return jnp.sqrt(far / large)
