"""What every loader returns."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Examples by class.

    **Fields:**

    - `images`: uint8, (classes, images a class, height, width, channels); or, where a dataset holds
      embeddings in place of images, float32, (classes, embeddings a class, d). Memory-mapped and
      read-only when large. Of ratings, float32, (users, items), NaN where there is none.
    - `names`: the name of each class, or user.
    """

    images: np.ndarray
    names: tuple[str, ...]
