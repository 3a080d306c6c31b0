"""What `comlnviz data` does."""

import os
import tempfile
from pathlib import Path

import numpy as np

from . import download
from .errors import DamagedFile, DataError
from .load import SPLITS, parse, place, remedy, source_of
from .sources import SOURCES
from .store import data_folder


def listing() -> list[str]:
    """A line on each dataset: whether it is here, its licence, and what it is."""
    lines = []
    for name, source in SOURCES.items():
        if source.make is not None:
            state = "built in"
        else:
            try:
                state = str(place(name))
            except DataError:
                state = "to download" if source.remotes else "to obtain"
        lines.append(f"{name:17} {source.about}; {source.licence} [{state}]")
    return lines


def get(name: str) -> Path:
    """Download it, if it is not here. **Raises** `ValueError` and `DataError`."""
    source_of(name)
    return download.get(name)


def verify(name: str, folder: Path | None) -> list[str]:
    """Read every byte of a dataset anew; a line on each split.

    **Raises** `ValueError` for a name that there is not, `DataError` for what is not whole.
    """
    source = source_of(name)
    splits = tuple(source.classes) or SPLITS
    lines = []
    where = None if source.make is not None else place(name, folder)
    if where is not None:
        lines += _digests(name, where)
    for split in splits:
        try:
            shape = _shape(name, where, split)
        except DamagedFile as error:
            raise DataError(f"{error}: {remedy(name)}.") from error
        lines.append(
            f"{split}: {shape[0]} classes of {shape[1]}, each {'×'.join(map(str, shape[2:]))}"
        )
    return lines


def _shape(name: str, where: Path | None, split: str) -> tuple[int, ...]:
    source = SOURCES[name]
    if where is None:
        assert source.make is not None
        return source.make(split).images.shape
    options = {option: values[0] for option, values in source.options.items()}
    with tempfile.TemporaryDirectory() as folder:
        new = lambda shape, dtype: np.lib.format.open_memmap(
            Path(folder, "images.npy"), mode="w+", dtype=dtype, shape=shape
        )
        images, _ = parse(name, where, split, new, **options)
        return images.shape


def _digests(name: str, where: Path) -> list[str]:
    lines = []
    for remote in SOURCES[name].remotes:
        path = where / remote.file
        if remote.digest is None or not path.is_file():
            lines.append(f"{remote.file}: no digest is published, or the archive is not here")
            continue
        import pooch

        method, digest = remote.digest.split(":")
        if pooch.file_hash(os.fspath(path), method) != digest:
            raise DataError(f"{path} is not as published, by its digest: {remedy(name)}.")
        lines.append(f"{remote.file}: as published, by its {method}")
    return lines


def path(name: str | None) -> Path:
    """Where the files of a dataset are; without a name, where downloads go."""
    if name is None:
        return data_folder()
    if source_of(name).make is not None:
        raise DataError(f"{name} needs no files.")
    return place(name)
