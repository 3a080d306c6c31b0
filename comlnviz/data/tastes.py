"""Ratings by users who do not exist, of songs that nobody wrote: nothing to download.

Everybody gets the same bits: the random numbers come from `Generator.random` only, whose stream
NumPy keeps, and the rest is made of +, −, × and rounding, which IEEE 754 does the same way
everywhere.
"""

import functools

import numpy as np

from .dataset import Dataset

SIDE = 10  # songs lie on a square lattice of so many by so many
_USERS = 500
_SPLITS = {"train": (0, 400), "test": (400, 500)}
_FEWEST, _MOST = 20, 60  # ratings of a user
_SEED = 2023


def load_tastes(split: str) -> Dataset:
    """The ratings of a split's users: float32 (users, 100 songs), 1 to 5, NaN where there is none.

    A song has a tempo and a mood, both from −1 to 1: song 10 r + c lies in column c of tempo, slow
    ones first, and in row r of mood, cheerful ones first; and it has a quality of its own. A user
    likes some tempi, moods and pairs of them better than others, and may be generous or not. The
    ratings are of rank 5, but for chance and rounding. A user has rated 20 to 60 songs.
    """
    start, stop = _SPLITS[split]
    ratings = _table()[start:stop].copy()
    ratings.flags.writeable = False
    return Dataset(ratings, tuple(f"user {number}" for number in range(start, stop)))


@functools.cache
def _table() -> np.ndarray:
    rng = np.random.Generator(np.random.PCG64(_SEED))
    spread = lambda *shape: rng.random(shape) + rng.random(shape) + rng.random(shape) - 1.5
    place = np.arange(SIDE) * (2 / (SIDE - 1)) - 1
    tempo, mood = np.tile(place, SIDE), np.repeat(-place, SIDE)
    quality, generous = 0.7 * spread(SIDE * SIDE), 0.8 * spread(_USERS, 1)
    for_tempo, for_mood, for_both = 2.4 * spread(3, _USERS, 1)
    taste = for_tempo * tempo + for_mood * mood + for_both * (tempo * mood)
    wanted = 3.4 + quality + generous + taste + 0.6 * spread(_USERS, SIDE * SIDE)
    ratings = np.clip(np.rint(wanted), 1, 5).astype(np.float32)
    count = _FEWEST + np.floor(rng.random((_USERS, 1)) * (_MOST - _FEWEST + 1))
    rank = np.argsort(np.argsort(rng.random(ratings.shape), axis=1), axis=1)
    return np.where(rank < count, ratings, np.float32(np.nan))
