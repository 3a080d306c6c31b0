"""Handwritten digits, embedded in scikit-learn: nothing to download."""

import gzip
import importlib.util
from pathlib import Path
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
    images, labels = _table()
    by_class = [images[labels == c] for c in _CLASSES[split]]
    size = min(len(images) for images in by_class)
    stacked = np.stack([images[:size] for images in by_class])
    pixels = np.rint(stacked * (255 / 16)).astype(np.uint8)
    return Dataset(pixels[..., None], tuple(str(c) for c in _CLASSES[split]))


def _table() -> tuple[np.ndarray, np.ndarray]:
    """scikit-learn's 1,797 images of 16 greys, and their labels."""
    require("sklearn")
    spec: Any = importlib.util.find_spec("sklearn")
    path = Path(spec.origin).parent / "datasets" / "data" / "digits.csv.gz"
    if path.is_file():  # importing scikit-learn takes two seconds, its file some hundredths
        with gzip.open(path) as file:
            table = np.loadtxt(file, delimiter=",")
        return table[:, :-1].reshape(-1, 8, 8), table[:, -1].astype(int)
    from sklearn import datasets

    bunch: Any = datasets.load_digits()
    return bunch.images, bunch.target
