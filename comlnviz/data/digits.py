"""Handwritten digits, embedded in scikit-learn: nothing to download."""

import dataclasses
from typing import Any

import numpy as np

_SPLITS = {"train": (0, 1, 2, 3, 4), "test": (5, 6, 7, 8, 9)}


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Images by class.

    **Fields:**

    - `images`: uint8, (classes, images a class, height, width, channels).
    - `names`: the name of each class.
    """

    images: np.ndarray
    names: tuple[str, ...]


def load(name: str, *, split: str = "train") -> Dataset:
    """A dataset by name.

    **Arguments:**

    - `name`: `"digits"`: 8×8 scans of handwritten digits (Alpaydin & Kaynak 1998), from
      scikit-learn; each class is cut to the size of the smallest, 174 images.
    - `split`: `"train"` holds the classes 0 to 4, `"test"` 5 to 9: disjoint classes, as in
      few-shot learning.

    **Raises** `ValueError` for another name or split, `ModuleNotFoundError` without scikit-learn.
    """
    if name != "digits":
        raise ValueError(f"There is no dataset {name!r} here: the one at hand is 'digits'.")
    if split not in _SPLITS:
        raise ValueError(f"split must be 'train' or 'test'; got {split!r}.")
    from sklearn.datasets import load_digits

    bunch: Any = load_digits()
    by_class = [bunch.images[bunch.target == c] for c in _SPLITS[split]]
    size = min(len(images) for images in by_class)
    stacked = np.stack([images[:size] for images in by_class])
    pixels = np.rint(stacked * (255 / 16)).astype(np.uint8)
    return Dataset(pixels[..., None], tuple(str(c) for c in _SPLITS[split]))
