"""COMLN, Table 5: the methods on embeddings that are not learned, with one linear layer."""

import dataclasses
import functools
from functools import partial
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

from ..data import Dataset, load
from ..models import Classifier, Identity
from ..models.linear_head import softmax_cross_entropy
from .comln_table_2 import CLASSROOM as TABLE_2
from .comln_table_2 import SHOTS, small_conv4
from .experiment import Experiment, Preset
from .few_shot import Protocol, counted, methods, trained_and_tested
from .findings import Cells, Finding, below_none

METHODS = ("MAML", "MetaSGD", "IMAML", "R2D2", "LRD2", "LEAP", "MetaOptNetRR", "MetaOptNetSVM",
           "ProtoNet", "LEO", "COMLN")  # fmt: skip
EPOCHS, BATCH = 15, 64


def embed(split: str) -> Dataset:
    """The characters of a split, embedded by a network that learned to tell those for training.

    **Raises** `DataError` as `load` does.
    """
    data = load("omniglot-minimal", split=split)
    embedding = jax.jit(lambda network, images: network(images.astype(float) / 255))
    rows = [np.asarray(embedding(_supervised(), jnp.asarray(images))) for images in data.images]
    return Dataset(np.stack(rows).astype(np.float32), data.names)


@functools.cache
def _supervised() -> Any:
    """An encoder trained on all characters for training as one classification problem."""
    data = load("omniglot-minimal", split="train")
    classes, size = data.images.shape[:2]
    images = jnp.asarray(data.images.reshape(classes * size, *data.images.shape[2:]))
    labels = jnp.repeat(jnp.arange(classes), size)
    # Running statistics, since an embedding must not depend on its neighbours.
    recipe = dataclasses.replace(small_conv4(), normalization="running")
    network = Classifier(recipe, classes).init(jax.random.key(1))
    optimizer = optax.adam(0.002)
    floats, _ = eqx.partition(network, eqx.is_inexact_array)

    def step(state, rows):
        network, memory = state

        def loss(network):
            logits, after = network.train(images[rows].astype(float) / 255)
            return softmax_cross_entropy(logits, jax.nn.one_hot(labels[rows], classes)), after

        (_, after), grads = eqx.filter_value_and_grad(loss, has_aux=True)(network)
        updates, memory = optimizer.update(grads, memory)
        return (eqx.apply_updates(after, updates), memory), None

    @eqx.filter_jit
    def learn(network, memory, key):
        order = jax.vmap(lambda k: jax.random.permutation(k, len(images)))
        rows = order(jax.random.split(key, EPOCHS)).reshape(-1)
        rows = rows[: len(rows) // BATCH * BATCH].reshape(-1, BATCH)
        dynamic, static = eqx.partition((network, memory), eqx.is_array)
        body = lambda d, r: (eqx.filter(step(eqx.combine(d, static), r)[0], eqx.is_array), None)
        return eqx.combine(jax.lax.scan(body, dynamic, rows)[0], static)[0]

    return learn(network, optimizer.init(floats), jax.random.key(2)).encoder


CLASSROOM = dataclasses.replace(
    TABLE_2,
    data="omniglot-minimal, embedded",
    encoder=Identity(small_conv4().size),
    num_steps=1000,
    loaded=embed,
)
PAPER = Protocol(
    data="leo-miniimagenet",
    encoder=Identity(640),
    queries=6,
    num_steps=20_000,
    batch_size=8,
    optimizer="sgd 0.1",
    selection_steps=1000,
    validate_every=1000,
    validation_tasks=500,
)


def preset(protocol: Protocol, cost: str, data: str) -> Preset:
    """The methods that have a meaning without an encoder, in both columns."""
    cells = {
        f"{name}, {shots}-shot": partial(_cell, name, shots, protocol)
        for shots in SHOTS
        for name in METHODS
    }
    return Preset((data,), cost, {**protocol.described(), "embedding": _EMBEDDING[data]}, cells)


_EMBEDDING = {
    "omniglot-minimal": f"Conv-4 with running statistics, trained {EPOCHS} epochs by Adam (0.002, "
    f"batches of {BATCH}) to classify the characters of the training split, then frozen",
    "leo-miniimagenet": "of Rusu et al. (2019), cropped at the centre",
}


def _cell(name: str, shots: int, protocol: Protocol, scratch: Path) -> dict[str, Any]:
    candidates = methods(protocol.encoder)[name]
    run, record = trained_and_tested(candidates, protocol, shots, scratch / f"{name}-{shots}")
    if "T" in run.history:
        record["T"] = float(f"{run.history['T'][-1]:.4g}")
    return record


def judge(cells: Cells) -> tuple[Finding, ...]:
    """COMLN against all others, column by column."""
    return tuple(
        below_none(
            f"On frozen embeddings, {counted(shots)}, no method is more accurate than COMLN.",
            cells,
            f"COMLN, {shots}-shot",
            [f"{name}, {shots}-shot" for name in METHODS if name != "COMLN"],
        )
        for shots in SHOTS
    )


EXPERIMENT = Experiment(
    "comln-table-5",
    "Few-shot classification on frozen embeddings, with one linear layer",
    "COMLN is comparable to the other methods or better, with one linear layer.",
    {
        "classroom": lambda: preset(CLASSROOM, "about 10 minutes on 2 cores", "omniglot-minimal"),
        "paper": lambda: preset(PAPER, "hours on one GPU", "leo-miniimagenet"),
    },
    judge,
)
