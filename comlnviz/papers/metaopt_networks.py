"""The convolutional networks of the meta-optimizers paper: settings, methods, meta-training."""

import dataclasses
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal

from ..algorithms import MAML, AbstractAlgorithm, MetaOptimizerMAML
from ..inner import CFC, KFC, KLin, MetaSGDRule
from ..models import Classifier, ConvNet, Identity
from .few_shot import Protocol, Trained, train, turned

# By the paper's names: the update rule, and whether it adapts within the task.
RULES = {
    "MSGD": (MetaSGDRule(), False),
    "MC": (KLin(), False),
    "KFC": (KFC(), True),
    "CFC1": (CFC(1), True),
    "CFC10": (CFC(10), True),
}
CNN, SCNN = 4, 2  # layers


@dataclasses.dataclass(frozen=True)
class Setting:
    """A dataset with its tasks, networks and rates.

    **Fields:**

    - `name`: of the column.
    - `protocol`: of meta-training and test; its encoder is that of each cell.
    - `shots`, `inner_steps`: of a task, and gradient steps within it.
    - `shape`, `channels`, `reduce`, `patches`: of the networks, as in `ConvNet`.
    - `rates`: within a task, of MAML with one or two layers, and with three or four.
    - `rule_rates`: within a task, of the update rules.
    """

    name: str
    protocol: Protocol
    shots: int
    inner_steps: int
    shape: tuple[int, int, int]
    channels: int
    reduce: Literal["stride", "pool"]
    patches: bool
    rates: tuple[float, float]
    rule_rates: Mapping[str, float]

    def encoder(self, layers: int) -> ConvNet:
        """The network's recipe."""
        return ConvNet(self.shape, self.channels, layers, self.reduce, patches=self.patches)

    def rate(self, name: str, layers: int) -> float:
        """Within a task."""
        return self.rates[layers > SCNN] if name == "MAML" else self.rule_rates[name]

    def described(self) -> dict[str, Any]:
        """For the record."""
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        fields["protocol"] = self.protocol.described()
        return {**fields.pop("protocol"), **fields, "encoder": str(self.encoder(CNN))}


def method(name: str, layers: int, setting: Setting) -> AbstractAlgorithm:
    """MAML, or a method of `RULES`, with a network of so many layers."""
    model = Classifier(setting.encoder(layers), setting.protocol.ways)
    rate, steps = setting.rate(name, layers), setting.inner_steps
    if name == "MAML":
        return MAML(model, rate, steps)
    rule, adapts = RULES[name]
    return MetaOptimizerMAML(model, rule, rate, steps, adapt_rule=adapts)


def trained(name: str, layers: int, setting: Setting, scratch: Path) -> Trained:
    """The method after meta-training, from where an experiment has trained it before."""
    folder = scratch.parent.parent / "metaopt-networks" / scratch.name
    files = folder / f"{setting.name}-{name}-{layers}"
    return train((method(name, layers, setting),), setting.protocol, setting.shots, files)


_CLASSROOM = Protocol(
    data="omniglot-minimal",
    encoder=Identity(1),  # each cell has its own, see `Setting.encoder`
    queries=5,
    num_steps=500,
    batch_size=4,
    optimizer="adam 0.003",
    selection_steps=500,
    validate_every=100,
    validation_tasks=50,
    test_queries=5,
    test_tasks=300,
    ways=10,
    loaded=partial(turned, "omniglot-minimal"),
)
# The number of iterations is that of the linear experiments, and of Figures A.6 to A.8.
_PAPER = dataclasses.replace(
    _CLASSROOM, data="omniglot", num_steps=60_000, batch_size=32, selection_steps=60_000,
    validate_every=1000, validation_tasks=600, test_tasks=600, loaded=partial(turned, "omniglot"),
)  # fmt: skip
# Appendix A.1.2; it does not print rates for one and three layers, nor for CFC: those next to them.
OMNIGLOT_SMALL = Setting(
    "Omniglot", _CLASSROOM, 5, 4, (28, 28, 1), 16, "stride", True, (0.8, 0.5),
    dict.fromkeys(RULES, 0.5),
)  # fmt: skip
OMNIGLOT = dataclasses.replace(OMNIGLOT_SMALL, protocol=_PAPER, channels=64, patches=False)
CIFAR_FS = Setting(
    "CIFAR-FS", dataclasses.replace(_PAPER, data="cifar-fs", loaded=None), 3, 2, (32, 32, 3), 32,
    "stride", False, (0.7, 0.7), dict.fromkeys(RULES, 0.5),
)  # fmt: skip
MINI_IMAGENET = Setting(
    "mini-ImageNet",
    dataclasses.replace(_PAPER, data="miniimagenet", loaded=None, optimizer="adam 0.0005"),
    1, 5, (84, 84, 3), 32, "pool", False, (0.07, 0.07),
    {"MSGD": 0.1, "MC": 0.09, "KFC": 0.005, "CFC1": 0.005, "CFC10": 0.005},
)  # fmt: skip
CLASSROOM = (OMNIGLOT_SMALL,)
PAPER = (OMNIGLOT, CIFAR_FS, MINI_IMAGENET)


def described(settings: tuple[Setting, ...]) -> dict[str, Any]:
    """Of a preset, for the record: all of a single setting, or each by its name."""
    if len(settings) == 1:
        return settings[0].described()
    return {setting.name: setting.described() for setting in settings}


def datasets(settings: tuple[Setting, ...]) -> tuple[str, ...]:
    """What a preset reads."""
    return tuple(setting.protocol.data for setting in settings)
