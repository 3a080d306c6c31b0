"""Ratings of items by users, as a table with gaps: MovieLens and Jester, from their own files."""

from typing import Any

import numpy as np

from .archives import Files
from .errors import DamagedFile, DataError
from .store import NewArray

_ITEMS, _TEST_USERS = 100, 100
_SEED = 0  # of the shuffle of users
_JESTER_GAP = 99.0


def parse_movielens(
    files: Files,
    split: str,
    new: NewArray,
    *,
    file: str,
    separator: str | None,
    least: int = 20,
    test_users: int = _TEST_USERS,
) -> tuple[np.ndarray, tuple[str, ...]]:
    """The ratings of a split's users: float32, (users, 100 items), NaN where there is none.

    The items are the most often rated ones, the users those who rated at least `least` of them; a
    hundred of the users, drawn once and for all, are for testing. With MovieLens-100K these are
    575 users; the paper counts 489.

    **Arguments:**

    - `file`, `separator`: a line is user, item, rating and time; `None` for white space.

    Source: A-MAML (Li et al. 2023), Section 5.3.
    """
    rows = []
    for number, line in enumerate(_lines(files, file), 1):
        parts = line.split(separator)
        if len(parts) != 4:
            raise DamagedFile(
                f"line {number} of {file} in {files.where} has {len(parts)} columns in place of "
                "user, item, rating and time"
            )
        try:
            rows.append((int(parts[0]), int(parts[1]), float(parts[2])))
        except ValueError:
            raise DamagedFile(
                f"line {number} of {file} in {files.where} is no user, item and rating: {line!r}"
            ) from None
    if not rows:
        raise DamagedFile(f"{file} in {files.where} is empty")
    users, items, given = (np.array(column) for column in zip(*rows, strict=True))
    _within(given, 1, 5, f"{file} in {files.where}")
    known, counts = np.unique(items, return_counts=True)
    most = known[np.argsort(-counts, kind="stable")[:_ITEMS]]
    names, rows_of = np.unique(users, return_inverse=True)
    table = np.full((len(names), len(most)), np.nan, np.float32)
    column = {item: i for i, item in enumerate(most)}
    kept = np.isin(items, most)
    table[rows_of[kept], [column[i] for i in items[kept]]] = given[kept]
    return _of_split(table, names, split, new, least, test_users, f"{file} in {files.where}")


def parse_jester(
    files: Files, split: str, new: NewArray, *, least: int = 36, test_users: int = _TEST_USERS
) -> tuple[np.ndarray, tuple[str, ...]]:
    """The same of Jester-1: a row a user, the number of ratings and 100 of them, 99 for none.

    Read from jester-data-1.csv, -2.csv and -3.csv: the published sheets, saved as text.
    """
    rows = []
    names = [n for n in files.names if n.rsplit("/", 1)[-1].startswith("jester-data-")]
    names = [n for n in names if n.endswith(".csv")]
    if not names:
        raise DataError(f"{files.where} has no jester-data-1.csv.")
    for name in names:
        for number, line in enumerate(_lines(files, name), 1):
            parts = line.split(",")
            if len(parts) != 1 + _ITEMS:
                raise DamagedFile(
                    f"line {number} of {name} in {files.where} has {len(parts)} columns in place "
                    "of a number of ratings and 100 ratings"
                )
            try:
                rows.append([float(part) for part in parts[1:]])
            except ValueError:
                raise DamagedFile(
                    f"line {number} of {name} in {files.where} holds what is no rating"
                ) from None
    table = np.array(rows, np.float32).reshape(-1, _ITEMS)
    table[table == _JESTER_GAP] = np.nan
    where = f"{', '.join(names)} in {files.where}"
    _within(table[np.isfinite(table)], -10, 10, where)
    return _of_split(table, np.arange(1, len(table) + 1), split, new, least, test_users, where)


def _lines(files: Files, file: str) -> list[str]:
    name = files.find(file)
    if name is None:
        raise DataError(f"{files.where} has no {file}.")
    return files.read(name).decode("latin1").splitlines()


def _within(given: np.ndarray, low: float, high: float, where: str) -> None:
    wrong = given[~((given >= low) & (given <= high))]
    if len(wrong):
        raise DamagedFile(f"{where} has a rating of {wrong[0]:g}; they go from {low} to {high}")


def _of_split(
    table: np.ndarray,
    names: np.ndarray,
    split: str,
    new: NewArray,
    least: int,
    test_users: int,
    where: str,
) -> tuple[np.ndarray, tuple[str, ...]]:
    enough = np.isfinite(table).sum(axis=1) >= least
    if enough.sum() <= test_users:
        raise DamagedFile(
            f"{where} has {enough.sum()} users with {least} or more ratings of its "
            f"{table.shape[1]} items; more than the {test_users} for testing are needed"
        )
    order = np.random.Generator(np.random.PCG64(_SEED)).permutation(np.flatnonzero(enough))
    chosen = np.sort(order[:test_users] if split == "test" else order[test_users:])
    ratings: Any = new((len(chosen), table.shape[1]), np.float32)
    ratings[:] = table[chosen]
    return ratings, tuple(str(name) for name in names[chosen])
