"""Ratings are read from the official files, and what is wrong with them is said in a sentence."""

import dataclasses
from functools import partial

import numpy as np
import published_formats
import pytest

from comlnviz.data import DataError, load, sources


@pytest.fixture
def small(monkeypatch):
    """Let three users be enough to test with."""
    for name in ("movielens-100k", "movielens-1m", "jester-1"):
        source = sources.SOURCES[name]
        parse = partial(source.parse, test_users=3)
        changed = dataclasses.replace(source, parse=parse, classes={"train": None, "test": 3})
        monkeypatch.setitem(sources.SOURCES, name, changed)


@pytest.mark.parametrize(
    "name, file, separator",
    [("movielens-100k", "u.data", "\t"), ("movielens-1m", "ratings.dat", "::")],
)
def test_movielens_keeps_the_most_rated_films_and_users_with_enough(
    small, tmp_path, name, file, separator
):
    given = published_formats.movielens(tmp_path / file, separator, users=12, films=130)
    counts = {}
    for film in (film for _, film in given):
        counts[film] = counts.get(film, 0) + 1
    most = sorted(counts, key=lambda film: (-counts[film], film))[:100]
    found = {}
    for split in ("train", "test"):
        data = load(name, split=split, folder=tmp_path)
        assert data.images.dtype == np.float32 and data.images.shape[1] == 100
        found |= dict(zip(data.names, data.images, strict=True))
    enough = {user for user, _ in given if sum(u == user for u, f in given if f in set(most)) >= 20}
    assert set(found) == {str(user) for user in enough} and len(found) < 12
    for user, row in found.items():
        wanted = [given.get((int(user), film), np.nan) for film in most]
        np.testing.assert_array_equal(row, wanted)
    assert len(load(name, split="test", folder=tmp_path).names) == 3


def test_jester_has_a_row_a_user_and_99_for_no_rating(small, tmp_path):
    table = published_formats.jester(tmp_path, users=(4, 3), least=36)
    rows = [load("jester-1", split=s, folder=tmp_path) for s in ("train", "test")]
    found = {int(n): row for data in rows for n, row in zip(data.names, data.images, strict=True)}
    assert sorted(found) == list(range(1, 8))
    for number, row in found.items():
        wanted = np.where(table[number - 1] == 99, np.nan, table[number - 1])
        np.testing.assert_allclose(row, wanted, rtol=1e-6)


@pytest.mark.parametrize(
    "line, message",
    [
        ("1\t2\t3", r"line 3 of u\.data in .* has 3 columns in place of user, item, rating"),
        ("1\ttwo\t3\t4", r"line 3 of u\.data in .* is no user, item and rating: '1\\ttwo\\t3\\t4'"),
        ("1\t2\t7\t4", r"u\.data in .* has a rating of 7; they go from 1 to 5"),
        ("1\t2\tnan\t4", r"u\.data in .* has a rating of nan; they go from 1 to 5"),
    ],
)
def test_a_broken_line_is_named(tmp_path, line, message):
    (tmp_path / "u.data").write_text(f"1\t1\t5\t0\n1\t3\t4\t0\n{line}\n")
    with pytest.raises(DataError, match=message):
        load("movielens-100k", folder=tmp_path)


def test_files_with_too_few_ratings_or_none_are_refused(small, tmp_path):
    (tmp_path / "u.data").write_text("")
    with pytest.raises(DataError, match=r"u\.data in .* is empty: delete it and run"):
        load("movielens-100k", folder=tmp_path)
    (tmp_path / "u.data").write_text("1\t1\t5\t0\n2\t1\t4\t0\n")
    message = r"has 0 users with 20 or more ratings of its 1 items; more than the 3 for testing"
    with pytest.raises(DataError, match=message):
        load("movielens-100k", folder=tmp_path)
    with pytest.raises(DataError, match=r"has no ratings\.dat\."):
        load("movielens-1m", folder=tmp_path)
    with pytest.raises(DataError, match=r"has no jester-data-1\.csv\."):
        load("jester-1", folder=tmp_path)
    (tmp_path / "jester-data-1.csv").write_text("2,1.5,-3\n")
    with pytest.raises(DataError, match=r"line 1 of jester-data-1.csv .* has 3 columns in place"):
        load("jester-1", folder=tmp_path)
    with pytest.raises(ValueError, match=r"split must be 'train' or 'test'; got 'validation'"):
        load("movielens-1m", split="validation", folder=tmp_path)


def test_the_real_movielens_has_575_users_with_enough(published):
    folder = published / "movielens-100k"
    if not folder.is_dir():
        pytest.skip("MovieLens-100K is not at hand")
    train, test = (load("movielens-100k", split=s, folder=folder) for s in ("train", "test"))
    assert len(train.names) == 475 and len(test.names) == 100
    assert not set(train.names) & set(test.names)
    both = np.concatenate([train.images, test.images])
    assert (np.isfinite(both).sum(1) >= 20).all()
    assert set(np.unique(both[np.isfinite(both)])) == {1, 2, 3, 4, 5}
