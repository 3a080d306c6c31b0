"""A dataset by its name: found, checked, parsed once, and kept as arrays."""

import os
from pathlib import Path
from typing import Any

from .archives import is_archive, open_files
from .dataset import Dataset
from .errors import DamagedFile, DataError
from .sources import SOURCES, Source
from .store import NewArray, arrays_folder, data_folder, stored

SPLITS = ("train", "validation", "test")


def load(
    name: str, *, split: str = "train", folder: str | os.PathLike | None = None, **options: Any
) -> Dataset:
    """A split of a dataset; the classes of different splits are disjoint.

    **Arguments:**

    - `name`: `"digits"`, `"glyphs"` and `"tastes"` are always there; `"omniglot"`,
      `"omniglot-minimal"`, `"miniimagenet"`, `"tieredimagenet"`, `"cifar-fs"`,
      `"leo-miniimagenet"`, `"movielens-100k"`, `"movielens-1m"` and `"jester-1"` are read from
      files.
    - `split`: `"train"`, `"validation"` or `"test"`.
    - `folder`: the folder or archive with the files. Without it they are looked for in the folder
      that the environment variable COMLNVIZ_DATA names, then among what `comlnviz data get` has
      downloaded.
    - `options`: for Omniglot `rotations=True`, each character turned by 90, 180 and 270 degrees
      being a class of its own; `by="alphabets"`, so that no alphabet is in two splits (the default
      of the minimal sets), or `by="characters"`, all being shuffled (the default of the full one).

    The first load parses the files and keeps the arrays in the cache folder.

    **Raises** `ValueError` for a name, split or option that there is not; `DataError` when the
    files are not there, or damaged, or a library of the `lab` extra that reads them is missing.
    """
    source = source_of(name)
    if split not in (allowed := source.classes or SPLITS):
        raise ValueError(f"split must be {_either(allowed)}; got {split!r}.")
    chosen = _chosen(name, source, options)
    if source.make is not None:
        return source.make(split)
    where = place(name, folder)
    try:
        return stored(arrays_folder(name, _fingerprint(where, split, chosen)),
                      lambda new: parse(name, where, split, new, **chosen))  # fmt: skip
    except DamagedFile as error:
        raise DataError(f"{error}: {remedy(name)}.") from error


def parse(name: str, where: Path, split: str, new: NewArray, **options: Any) -> tuple:
    """Arrays and names from a dataset's own files.

    **Raises** `DamagedFile` when they are not whole.
    """
    source = source_of(name)
    assert source.parse is not None
    with open_files(where, source.parts, data_folder()) as files:
        images, names = source.parse(files, split, new, **options)
    expected = source.classes.get(split)
    if expected is not None and len(names) != expected:
        raise DamagedFile(
            f"the {split} split in {where} has {len(names)} classes in place of {expected}"
        )
    return images, names


def source_of(name: str) -> Source:
    """**Raises** `ValueError` for a name that there is not."""
    if name not in SOURCES:
        raise ValueError(f"There is no dataset {name!r}; there are {', '.join(SOURCES)}.")
    return SOURCES[name]


def place(name: str, folder: str | os.PathLike | None = None) -> Path:
    """Where a dataset's files are. **Raises** `DataError` when they are nowhere."""
    if folder is not None:
        path = Path(folder).expanduser().absolute()
        if not path.is_dir() and not (path.is_file() and is_archive(path)):
            raise DataError(f"{path} is neither a folder nor a zip or tar archive.")
        return path
    for path in places(name):
        if _has_files(path, SOURCES[name]):
            return path
    raise DataError(f"{name} is not on this computer: {_obtain(name)}.")


def lacking(name: str) -> DataError | None:
    """Why a dataset cannot be loaded: it is not here. `None` when it is, or needs no files.

    **Raises** `ValueError` for a name that there is not.
    """
    try:
        if source_of(name).make is None:
            place(name)
    except DataError as error:
        return error
    return None


def places(name: str) -> list[Path]:
    """Where a dataset is looked for, in turn."""
    names = (name, *SOURCES[name].folders)
    chosen = os.environ.get("COMLNVIZ_DATA")
    mine = [Path(chosen).expanduser().absolute() / n for n in names] if chosen else []
    return [*mine, data_folder() / name]


def remedy(name: str) -> str:
    """What to do about files that are damaged."""
    if SOURCES[name].remotes:
        return f"delete it and run `comlnviz data get {name}`"
    return f"delete it and put there a fresh copy of {SOURCES[name].obtain}"


def _has_files(path: Path, source: Source) -> bool:
    if not path.is_dir():
        return False
    if not source.parts:
        return any(path.iterdir())
    return all((path / part).is_dir() or (path / f"{part}.zip").is_file() for part in source.parts)


def _obtain(name: str) -> str:
    source = SOURCES[name]
    if source.remotes:
        return f"run `comlnviz data get {name}`"
    return (
        f"put {source.obtain} into {places(name)[0]}, or set COMLNVIZ_DATA to a folder that has "
        f"them in its subfolder {name}"
    )


def _chosen(name: str, source: Source, options: dict[str, Any]) -> dict[str, Any]:
    for option, value in options.items():
        if option not in source.options:
            raise ValueError(
                f"{name} has no option {option!r}; it has {', '.join(source.options) or 'none'}."
            )
        if value not in source.options[option]:
            raise ValueError(f"{option} must be {_either(source.options[option])}; got {value!r}.")
    return {option: options.get(option, values[0]) for option, values in source.options.items()}


def _either(values: Any) -> str:
    *others, last = [repr(value) for value in values]
    return f"{', '.join(others)} or {last}" if others else last


def _fingerprint(where: Path, split: str, options: dict[str, Any]) -> str:
    """What changes when the files do: their sizes and times, as far down as archives lie."""
    paths = sorted(where.iterdir()) if where.is_dir() else [where]
    stats = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
    return repr((str(where), split, sorted(options.items()), stats))
