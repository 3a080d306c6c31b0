"""GIMLI, Table 2: MAML++ with other networks and other optimizers inside."""

import dataclasses
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import optax

from ..algorithms import MAMLpp
from ..inner import Learned, LearnedOptimizer
from ..models import AbstractEncoder, Classifier, Conv4, DenseNet, ResNet12
from .experiment import Experiment, Preset
from .few_shot import Protocol, numbers, test, train, turned
from .findings import Cells, Finding, above_all

Columns = tuple[tuple[int, int], ...]  # ways and shots of each
ALL: Columns = ((5, 1), (5, 5), (20, 1), (20, 5))
FEW: Columns = ((5, 1), (20, 1))
COLUMN = "{}-way {}-shot"
OPTIMIZERS = {
    "SGD": LearnedOptimizer(optax.sgd, learning_rate=Learned(0.1, ("step", "array"), "real")),
    # Adam has no derivative where a second moment is zero, hence eps_root.
    "Adam": LearnedOptimizer(
        optax.adam,
        learning_rate=Learned(0.01, "array"),
        b1=Learned(0.9, "array", "unit"),
        b2=Learned(0.999, "array", "unit"),
        eps_root=1e-8,
    ),
}


@dataclasses.dataclass(frozen=True)
class Sizes:
    """The widths of the networks: channels of VGG, of a ResNet's blocks, and DenseNet's growth."""

    vgg: int
    resnet: tuple[int, int, int, int]
    growth: int


def encoders(sizes: Sizes) -> Mapping[str, AbstractEncoder]:
    """The networks of Appendix B, for 28×28 images. MAML++'s VGG is Conv-4."""
    shape = (28, 28, 1)
    resnet = lambda layers: ResNet12(shape, sizes.resnet, "batch", layers, patches=True)
    return {
        "densenet-8": DenseNet(shape, sizes.growth, patches=True),
        "resnet-12": resnet(3),
        "resnet-4": resnet(1),
        "resnet-8": resnet(2),
        "vgg": Conv4(shape, sizes.vgg, patches=True),
    }


SMALL = Sizes(vgg=16, resnet=(8, 12, 16, 24), growth=4)
LARGE = Sizes(vgg=64, resnet=(64, 96, 128, 256), growth=32)
GRID = tuple(f"{model}+{name}" for model in encoders(SMALL) for name in ("Adam", "SGD"))
CLASSROOM = Protocol(
    data="omniglot-minimal",
    encoder=encoders(SMALL)["vgg"],
    queries=1,
    num_steps=300,
    batch_size=4,
    optimizer="adam 0.001",
    selection_steps=300,
    validate_every=100,
    validation_tasks=50,
    test_queries=5,
    test_tasks=600,
    loaded=partial(turned, "omniglot-minimal"),
)
PAPER = dataclasses.replace(
    CLASSROOM,
    data="omniglot",
    encoder=encoders(LARGE)["vgg"],
    num_steps=50_000,
    batch_size=8,
    selection_steps=50_000,
    validate_every=500,
    validation_tasks=600,
    loaded=partial(turned, "omniglot"),
)


def method(name: str, sizes: Sizes, ways: int, num_steps: int) -> MAMLpp:
    """MAML++ with a model and an inner optimizer, such as resnet-4+Adam; five inner steps.

    The multi-step loss is annealed over the first tenth of meta-training. Adam starts from no
    moments, where the paper takes the outer optimizer's.
    """
    model, inner = name.split("+")
    classifier = Classifier(encoders(sizes)[model], ways)
    return MAMLpp(classifier, OPTIMIZERS[inner], 5, multi_step=num_steps // 10)


def trained(name: str, ways: int, shots: int, protocol: Protocol, sizes: Sizes, folder: Path):
    """The method after meta-training, from the folder where it was trained before."""
    own = dataclasses.replace(protocol, ways=ways, encoder=encoders(sizes)[name.split("+")[0]])
    algorithm = method(name, sizes, ways, protocol.num_steps)
    return own, train((algorithm,), own, shots, folder / f"{name}-{ways}-{shots}")


def preset(protocol: Protocol, sizes: Sizes, columns: Columns, cost: str) -> Preset:
    """Every network with both optimizers, in these columns."""
    cells = {
        f"{name}, {COLUMN.format(ways, shots)}": partial(_cell, name, ways, shots, protocol, sizes)
        for ways, shots in columns
        for name in GRID
    }
    return Preset((protocol.data,), cost, described(protocol, sizes), cells)


def described(protocol: Protocol, sizes: Sizes) -> dict[str, Any]:
    """For the record."""
    inner = {name: str(optimizer.settings) for name, optimizer in OPTIMIZERS.items()}
    own: dict[str, Any] = {"sizes": dataclasses.asdict(sizes), "inner": inner, "inner_steps": 5}
    own["rotations"] = True
    return {**protocol.described(), **own, "encoder": "by cell", "ways": "by cell"}


def _cell(
    name: str, ways: int, shots: int, protocol: Protocol, sizes: Sizes, scratch: Path
) -> dict[str, Any]:
    own, result = trained(name, ways, shots, protocol, sizes, scratch)
    return numbers(test(result.algorithm, result.run.meta, own, shots))


def judge(cells: Cells) -> tuple[Finding, ...]:
    """Adam against SGD where the paper says that it wins, and the base against the rest."""
    column = COLUMN.format(20, 1)
    return (
        above_all(
            "Adam inside beats SGD for resnet-4, 20-way 1-shot.",
            cells,
            f"resnet-4+Adam, {column}",
            [f"resnet-4+SGD, {column}"],
        ),
        above_all(
            "resnet-12+SGD is the best of all, 20-way 1-shot.",
            cells,
            f"resnet-12+SGD, {column}",
            [f"{name}, {column}" for name in GRID if name != "resnet-12+SGD"],
        ),
    )


EXPERIMENT = Experiment(
    "gimli-table-2",
    "MAML++ with five networks and two inner optimizers",
    "Which network and inner optimizer MAML++ has matters, and Adam is now and then the best.",
    {
        "classroom": lambda: preset(
            CLASSROOM, SMALL, FEW, "two hours on 2 cores, half of it for the DenseNets"
        ),
        "paper": lambda: preset(PAPER, LARGE, ALL, "weeks on one GPU"),
    },
    judge,
)
