"""N-way k-shot classification tasks drawn from a dataset."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray, UInt8

from ..counts import check_counts
from ..data import Dataset
from .choose import choose
from .mapped import HostRows
from .task import AbstractTasks, Task

_LARGEST = 2**31  # bytes of images that go to the device unless asked otherwise


class FewShot(AbstractTasks):
    """Tasks of `ways` classes with `shots` labelled examples and `queries` to predict of each.

    `sample` is a pure function of its key and works under `jit` and `vmap`. Images come scaled to
    [0, 1], embeddings as they are, ordered by class.
    """

    images: (
        UInt8[Array, "classes size height width channels"]
        | Float[Array, "classes size d"]
        | HostRows
    )
    ways: int = eqx.field(static=True)
    shots: int = eqx.field(static=True)
    queries: int = eqx.field(static=True)

    def __init__(
        self, dataset: Dataset, ways: int, shots: int, queries: int, on_host: bool | None = None
    ):
        """`on_host`: leave the images where they are and read those of each batch, in place of all
        being on every device; of a dataset larger than 2 GiB unless given. The tasks are the same.

        **Raises** `ValueError` when the dataset is too small for such tasks.
        """
        classes, size = dataset.images.shape[:2]
        check_counts(ways=ways, shots=shots, queries=queries)
        if ways > classes:
            raise ValueError(f"ways must be at most the {classes} classes there are; got {ways}.")
        if shots + queries > size:
            raise ValueError(
                f"shots + queries must be at most the {size} images of a class; "
                f"got {shots} + {queries}."
            )
        if on_host is None:
            on_host = dataset.images.nbytes > _LARGEST
        images = dataset.images
        self.images = HostRows(images) if on_host else jnp.asarray(np.ascontiguousarray(images))
        self.ways, self.shots, self.queries = ways, shots, queries

    def classes(self, key: PRNGKeyArray) -> Int[Array, " ways"]:
        """The dataset's classes that `sample(key)` is about, in the order of its labels."""
        class_key, _ = jax.random.split(key)
        return choose(class_key, self.images.shape[0], self.ways)

    def sample(self, key: PRNGKeyArray) -> Task:
        """One task: its classes, and which of their images, drawn without replacement."""
        classes, size, *shape = self.images.shape
        each = self.shots + self.queries
        _, image_key = jax.random.split(key)
        keys = jax.random.split(image_key, self.ways)
        which = jax.vmap(lambda k: choose(k, size, each))(keys)
        rows = self.classes(key)[:, None] * size + which
        if isinstance(self.images, HostRows):
            images = self.images.take(rows)
        else:  # rows of one table are gathered faster than images of one class and another
            table = self.images.reshape(classes * size, -1)
            images = table.at[rows].get(mode="promise_in_bounds").reshape(self.ways, each, *shape)
        if self.images.dtype == jnp.uint8:
            images = images.astype(float) / 255
        labels = jnp.broadcast_to(jnp.eye(self.ways)[:, None, :], (self.ways, each, self.ways))
        flat = lambda x: x.reshape(-1, *x.shape[2:])
        part = lambda s: (flat(images[:, s]), flat(labels[:, s]))
        return Task(part(slice(self.shots)), part(slice(self.shots, None)))
