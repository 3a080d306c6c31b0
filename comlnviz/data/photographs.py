"""miniImageNet, tieredImageNet and CIFAR-FS, in the formats in which people have them."""

import csv
import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .archives import Files
from .errors import DamagedFile, DataError
from .pixels import decode
from .store import NewArray
from .unpickle import load_pickle

_TABLE_BYTES = 64 * 2**20


def parse_photographs(
    files: Files, split: str, new: NewArray, *, side: int, pickles: tuple[str, ...]
) -> tuple[np.ndarray, tuple[str, ...]]:
    """The photographs of a split as uint8 (classes, photographs, side, side, 3).

    Whichever is there is read: a pickle with `data` and `labels` under one of the names `pickles`
    (of Lee et al. 2019, MetaOptNet); a pickle of PNG files, `{train}_images_png.pkl`, with
    `{train}_labels.pkl` (of Ren et al. 2018); or `{train}.csv`, a table of filename and label, with
    the images beside it (of Ravi & Larochelle 2017). Classes of more photographs are cut to the
    size of the smallest.
    """
    short = {"train": "train", "validation": "val", "test": "test"}[split]
    for pattern in pickles:
        if path := files.find(pattern.format(short)):
            return _from_arrays(files, path, new, side)
    if path := files.find(f"{short}_images_png.pkl"):
        return _from_encoded(files, path, short, new, side)
    if path := files.find(f"{short}.csv"):
        return _from_table(files, path, new, side)
    looked = [p.format(short) for p in pickles] + [f"{short}_images_png.pkl", f"{short}.csv"]
    raise DataError(f"{files.where} has none of {', '.join(looked)}.")


def _from_arrays(files: Files, path: str, new: NewArray, side: int):
    content = _unpickled(files, path)
    if not (isinstance(content, dict) and {"data", "labels"} <= content.keys()):
        raise DamagedFile(f"{path} in {files.where} is no dict with 'data' and 'labels'")
    images = content["data"]
    if (
        not isinstance(images, np.ndarray)
        or images.dtype != np.uint8
        or images.shape[1:] != (side, side, 3)
    ):
        raise DamagedFile(f"'data' in {path} is no uint8 array of {side}×{side} photographs")
    return arranged(_by_class(content["labels"], len(images), path), images.__getitem__, new)


def _from_encoded(files: Files, path: str, short: str, new: NewArray, side: int):
    table = files.find(f"{short}_labels.pkl")
    if table is None:
        raise DataError(f"{files.where} has {path} but no {short}_labels.pkl.")
    encoded, labels = _unpickled(files, path), _unpickled(files, table)
    if isinstance(labels, dict):
        labels = labels.get("labels", labels.get("label_specific"))
    if not isinstance(encoded, list | np.ndarray):
        raise DamagedFile(f"{path} in {files.where} is no list of PNG files")
    photograph = lambda i: decode(
        np.asarray(encoded[i], np.uint8).tobytes(), f"{path}, number {i}", side=side, channels=3
    )
    return arranged(_by_class(labels, len(encoded), table), photograph, new)


def _from_table(files: Files, path: str, new: NewArray, side: int):
    text = io.StringIO(files.read(path, _TABLE_BYTES).decode("utf-8", "replace"))
    rows = [row for row in csv.reader(text) if row]
    if len(rows) < 2 or any(len(row) < 2 for row in rows):
        raise DamagedFile(f"{path} in {files.where} is no table of filename and label")
    places = {name.rsplit("/", 1)[-1]: name for name in files.names}  # Ravi's images lie in images/

    def photograph(i: int) -> np.ndarray:
        name = rows[i + 1][0]
        place = places.get(name.rsplit("/", 1)[-1])
        if place is None:
            raise DataError(f"{path} in {files.where} lists {name}, which is not there.")
        return decode(files.read(place), place, side=side, channels=3)

    labels = [row[1] for row in rows[1:]]
    return arranged(_by_class(labels, len(labels), path), photograph, new)


def _unpickled(files: Files, path: str) -> Any:
    with files.open(path) as stream:
        return load_pickle(stream, f"{path} in {files.where}")


def _by_class(labels: Any, count: int, path: str) -> dict[str, list[int]]:
    """The numbers of the examples, by the name of their class."""
    if not isinstance(labels, Sequence | np.ndarray) or len(labels) != count:
        raise DamagedFile(f"{path} does not have one label for each of {count} photographs")
    found: dict[str, list[int]] = {}
    for number, label in enumerate(labels):
        found.setdefault(str(label), []).append(number)
    return found


def arranged(
    by_class: dict[str, list[int]], example: Callable[[int], np.ndarray], new: NewArray
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Examples stacked by class, in the order of the classes' first appearance."""
    size = min(len(numbers) for numbers in by_class.values())
    first = example(next(iter(by_class.values()))[0])
    images: Any = new((len(by_class), size, *first.shape), first.dtype.type)
    for row, numbers in zip(images, by_class.values(), strict=True):
        for place, number in enumerate(numbers[:size]):
            row[place] = example(number)
    return images, tuple(by_class)
