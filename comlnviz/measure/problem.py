"""The task whose meta-gradient is measured."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp

from ..counts import check_counts
from ..models import (
    MLP,
    AbstractEncoder,
    Classifier,
    Conv4,
    CrossEntropy,
    Identity,
    ResNet12,
    SquaredError,
)
from ..tasks import CosMixture, Task
from .device import find_device

BACKBONES = ("features", "conv-4", "resnet-12", "cos-mixture")


@dataclasses.dataclass(frozen=True)
class Problem:
    """One few-shot task, made up: images or features in clusters, the same for the same numbers.

    **Fields:**

    - `backbone`: "features" (nothing to embed: d numbers an example, as from a frozen network),
      "conv-4" or "resnet-12" (84×84 colour images; d is 1,600 and 16,000); or "cos-mixture", a
      function of two variables to learn by a small network, all of which adapts.
    - `ways`, `shots`, `queries`: N classes; examples a class to adapt to, and to be judged by. A
      function is one class.
    - `d`: size of features that are given; a network's are as many as they are (see `size`).
    - `dtype`: "float32" or "float64".

    **Raises** `ValueError` for a backbone or dtype that there is not, for numbers below 1, and for
    a `d` where a network decides it.
    """

    backbone: str = "features"
    ways: int = 5
    shots: int = 1
    queries: int = 15
    d: int = 1600
    dtype: str = "float32"

    def __post_init__(self):
        if self.backbone not in BACKBONES:
            names = ", ".join(BACKBONES)
            raise ValueError(f"There is no backbone {self.backbone!r}: choose from {names}.")
        if self.dtype not in ("float32", "float64"):
            raise ValueError(f"dtype is float32 or float64; got {self.dtype!r}.")
        check_counts(ways=self.ways, shots=self.shots, queries=self.queries, d=self.d)
        if self.backbone != "features" and self.d != type(self).d:
            raise ValueError(
                f"{self.backbone} makes features of a size of its own: leave d out; got {self.d}."
            )
        if not self.classifies and self.ways != 1:
            raise ValueError(f"A function is one class: ways must be 1; got {self.ways}.")

    @property
    def classifies(self) -> bool:
        """Whether labels are classes, which a last layer alone can be adapted to."""
        return self.backbone != "cos-mixture"

    @property
    def M(self) -> int:
        """Examples to adapt to."""
        return self.ways * self.shots

    def with_features_of(self, d: int) -> "Problem":
        """The same with features of size `d`, where they are given."""
        return dataclasses.replace(self, d=d) if self.backbone == "features" else self

    @functools.cached_property
    def size(self) -> int:
        """Of an embedding: `d`, or what the backbone makes of its images."""
        return self.encoder().size

    def encoder(self) -> AbstractEncoder:
        """The backbone's recipe."""
        on_cpu = find_device().platform == "cpu"
        if self.backbone == "features":
            return Identity(self.d)
        if self.backbone == "conv-4":
            return Conv4((84, 84, 3), 64, patches=on_cpu)
        if self.backbone == "cos-mixture":
            return MLP(2, (32, 32), jnp.tanh)
        return ResNet12((84, 84, 3))

    def network(self) -> Classifier:
        """The recipe of the backbone with its head."""
        criterion = CrossEntropy() if self.classifies else SquaredError()
        return Classifier(self.encoder(), self.ways, criterion)

    def task(self) -> Task:
        """Each class is a point, each example that point and noise; of length about 1 a number."""
        dtype: Any = jnp.dtype(self.dtype)
        if not self.classifies:
            task = CosMixture(self.shots, self.queries).sample(jax.random.key(0))
            return jax.tree.map(lambda x: x.astype(dtype), task)
        shape = (self.d,) if self.backbone == "features" else (84, 84, 3)
        point_key, *keys = jax.random.split(jax.random.key(0), 3)
        points = jax.random.normal(point_key, (self.ways, *shape), dtype)

        def examples(key, each):
            labels = jnp.repeat(jnp.eye(self.ways, dtype=dtype), each, axis=0)
            noise = jax.random.normal(key, (self.ways * each, *shape), dtype)
            # Features of a network are of length 1, say; a step of 0.01 is small for them.
            scale = 1 / jnp.sqrt(self.d) if self.backbone == "features" else 1.0
            return ((jnp.repeat(points, each, axis=0) + 2 * noise) * scale).astype(dtype), labels

        return Task(examples(keys[0], self.shots), examples(keys[1], self.queries))


# As A-MAML's Figures 3 and 4 have it: 100shot-100val.
COS_MIXTURE = Problem("cos-mixture", ways=1, shots=100, queries=100)
