"""Parsed datasets as .npy files in the cache folder: the second load is fast, and needs no memory.

A dataset is a folder, written under another name and renamed when it is whole.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..cache import cache_folder
from .dataset import Dataset
from .errors import DamagedFile, require

MAP_BYTES = 256 * 2**20
NewArray = Callable[[tuple[int, ...], type], np.ndarray]
"""(shape, dtype) to the array on disk that a parser has to fill."""
Parse = Callable[[NewArray], tuple[np.ndarray, tuple[str, ...]]]
"""Make an array by the function it is given, fill it, return it and the names of the classes."""


def data_folder() -> Path:
    """The cache's folder of data: downloads by dataset, and `arrays`.

    **Raises** `DataError` when neither COMLNVIZ_CACHE nor platformdirs say where that is.
    """
    if not os.environ.get("COMLNVIZ_CACHE"):
        require("platformdirs")
    return cache_folder() / "data"


def arrays_folder(name: str, fingerprint: str) -> Path:
    """Where the arrays are that were parsed from files of this fingerprint."""
    digest = hashlib.sha256(fingerprint.encode()).hexdigest()[:16]
    return data_folder() / "arrays" / f"{name}-{digest}"


def stored(folder: Path, parse: Parse) -> Dataset:
    """The dataset in `folder`, which is made by `parse` where it is not there yet.

    **Raises** `DamagedFile` when what is there is damaged.
    """
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=folder.parent))
        try:
            _write(partial, parse)
            _rename(partial, folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return _read(folder)


def _write(folder: Path, parse: Parse) -> None:
    new = lambda shape, dtype: np.lib.format.open_memmap(
        folder / "images.npy", mode="w+", dtype=dtype, shape=shape
    )
    images, names = parse(new)
    if isinstance(images, np.memmap):
        images.flush()
    (folder / "names.json").write_text(json.dumps(names), encoding="utf-8")


def _rename(partial: Path, folder: Path) -> None:
    try:
        os.replace(partial, folder)
    except OSError:
        if not folder.is_dir():  # otherwise another process has been faster
            raise


def _read(folder: Path) -> Dataset:
    path = folder / "images.npy"
    try:
        mode = "r" if path.stat().st_size > MAP_BYTES else None
        images = np.load(path, mmap_mode=mode, allow_pickle=False)
        names = json.loads((folder / "names.json").read_text(encoding="utf-8"))
        if not isinstance(images, np.ndarray) or len(images) != len(names):
            raise ValueError(f"{len(names)} names for an array of other classes")
    except (OSError, ValueError, EOFError, TypeError) as error:
        raise DamagedFile(f"{folder} is cut short or corrupt ({error})") from error
    images.flags.writeable = False
    return Dataset(images, tuple(str(name) for name in names))
