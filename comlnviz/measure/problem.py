"""The task whose meta-gradient is measured."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp

from ..models import AbstractEncoder, Conv4, Identity, ResNet12
from ..tasks import Task
from .device import find_device

BACKBONES = ("features", "conv-4", "resnet-12")


@dataclasses.dataclass(frozen=True)
class Problem:
    """One few-shot task, made up: images or features in clusters, the same for the same numbers.

    **Fields:**

    - `backbone`: "features" (nothing to embed: d numbers an example, as from a frozen network),
      "conv-4" or "resnet-12" (84×84 colour images; d is 1,600 and 16,000).
    - `ways`, `shots`, `queries`: N classes; examples a class to adapt to, and to be judged by.
    - `d`: size of the features.
    - `dtype`: "float32" or "float64".

    **Raises** `ValueError` for a backbone or dtype that there is not, and for numbers below 1.
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
        counts = {name: getattr(self, name) for name in ("ways", "shots", "queries", "d")}
        for name, count in counts.items():
            if count < 1:
                raise ValueError(f"{name} must be at least 1; got {count}.")

    @property
    def M(self) -> int:
        """Examples to adapt to."""
        return self.ways * self.shots

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
        return ResNet12((84, 84, 3))

    def task(self) -> Task:
        """Each class is a point, each example that point and noise; of length about 1 a number."""
        shape = (self.d,) if self.backbone == "features" else (84, 84, 3)
        point_key, *keys = jax.random.split(jax.random.key(0), 3)
        dtype: Any = jnp.dtype(self.dtype)
        points = jax.random.normal(point_key, (self.ways, *shape), dtype)

        def examples(key, each):
            labels = jnp.repeat(jnp.eye(self.ways, dtype=dtype), each, axis=0)
            noise = jax.random.normal(key, (self.ways * each, *shape), dtype)
            # Features of a network are of length 1, say; a step of 0.01 is small for them.
            scale = 1 / jnp.sqrt(self.d) if self.backbone == "features" else 1.0
            return ((jnp.repeat(points, each, axis=0) + 2 * noise) * scale).astype(dtype), labels

        return Task(examples(keys[0], self.shots), examples(keys[1], self.queries))
