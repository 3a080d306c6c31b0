"""Handwritten digits, embedded in scikit-learn: nothing to download."""

from typing import Any

import numpy as np

from .dataset import Dataset
from .errors import require

_CLASSES = {"train": (0, 1, 2, 3, 4), "test": (5, 6, 7, 8, 9)}


def load_digits(split: str) -> Dataset:
    """8×8 scans of handwritten digits (Alpaydin & Kaynak 1998); ink is bright.

    The classes 0 to 4 are for training, 5 to 9 for testing: disjoint, as in few-shot learning. Each
    is cut to the size of the smallest: 177 images, and 174.

    **Raises** `DataError` without scikit-learn.
    """
    require("sklearn")
    from sklearn import datasets

    bunch: Any = datasets.load_digits()
    by_class = [bunch.images[bunch.target == c] for c in _CLASSES[split]]
    size = min(len(images) for images in by_class)
    stacked = np.stack([images[:size] for images in by_class])
    pixels = np.rint(stacked * (255 / 16)).astype(np.uint8)
    return Dataset(pixels[..., None], tuple(str(c) for c in _CLASSES[split]))
