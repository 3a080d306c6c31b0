"""CIFAR-10: 32×32 photographs of ten kinds of things (Krizhevsky 2009)."""

import numpy as np

from .archives import Files
from .errors import DamagedFile, DataError
from .photographs import arranged
from .store import NewArray

_NAMES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
_RECORD = 1 + 3 * 32 * 32  # a label, then red, green and blue
_PARTS = {"train": tuple(f"data_batch_{i}.bin" for i in range(1, 6)), "test": ("test_batch.bin",)}


def parse_cifar(files: Files, split: str, new: NewArray) -> tuple[np.ndarray, tuple[str, ...]]:
    """The photographs of a split as uint8 (classes, photographs, 32, 32, 3), from the binary files.

    All ten classes are in both splits: this is for ordinary training, not for few-shot tasks.
    """
    records = np.concatenate([_read(files, part) for part in _PARTS[split]])
    labels = records[:, 0]
    if labels.max() >= len(_NAMES):
        raise DamagedFile(f"{files.where} has a label {labels.max()}; there are {len(_NAMES)}")
    by_class = {name: np.flatnonzero(labels == i).tolist() for i, name in enumerate(_NAMES)}
    if not all(by_class.values()):
        raise DamagedFile(f"{files.where} has classes without a photograph")
    images = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return arranged(by_class, images.__getitem__, new)


def _read(files: Files, part: str) -> np.ndarray:
    path = files.find(part)
    if path is None:
        raise DataError(f"{files.where} has no {part}.")
    data = files.read(path)
    if not data or len(data) % _RECORD:
        raise DamagedFile(f"{path} in {files.where} is not made of records of {_RECORD:,} bytes")
    return np.frombuffer(data, np.uint8).reshape(-1, _RECORD)
