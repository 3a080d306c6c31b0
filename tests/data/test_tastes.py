"""Invented ratings: the same for everyone, and with something to be learned in them."""

import hashlib

import numpy as np
import pytest

from comlnviz.data import load


@pytest.fixture(scope="module")
def tables():
    return [load("tastes", split=split) for split in ("train", "test")]


def test_they_are_the_same_for_everyone(tables):
    digest = hashlib.sha256(b"".join(data.images.tobytes() for data in tables)).hexdigest()
    assert digest == "a43c0cf59b2ff9a0d18d098fa2435eb396a9cc573d2d84d61e86a46fbbe3497d"


def test_every_user_has_rated_20_to_60_songs_and_none_is_in_both_splits(tables):
    train, test = tables
    assert train.images.shape == (400, 100) and test.images.shape == (100, 100)
    assert not set(train.names) & set(test.names)
    for data in tables:
        counts = np.isfinite(data.images).sum(axis=1)
        assert counts.min() >= 20 and counts.max() <= 60
        assert set(np.unique(data.images[np.isfinite(data.images)])) == {1, 2, 3, 4, 5}


def test_neighbours_are_liked_by_the_same_users(tables):
    ratings = tables[0].images - np.nanmean(tables[0].images, axis=1, keepdims=True)

    def correlation(one, other):
        both = np.isfinite(ratings[:, one] + ratings[:, other])
        return np.corrcoef(ratings[both][:, [one, other]].T)[0, 1]

    beside = [correlation(10 * row, 10 * row + 1) for row in (0, 1, 8, 9)]
    opposite = [correlation(0, 99), correlation(9, 90)]  # as far apart, but of one product
    across = [correlation(0, 9), correlation(90, 99)]
    assert np.mean(beside) > 0.5
    assert np.mean(across) < 0 and np.mean(opposite) < 0.3
