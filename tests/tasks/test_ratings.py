"""Tasks of ratings: a user, items one-hot, what is shown and what is left."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from comlnviz.data import Dataset
from comlnviz.models import SquaredError
from comlnviz.tasks import CosMixture, Finite, Ratings

KEY = jax.random.key(5)
RANDOM = np.random.default_rng(0)
TABLE = np.full((8, 30), np.nan, np.float32)
for _user, _count in enumerate([3, 9, 12, 15, 18, 21, 25, 30]):
    _rated = RANDOM.choice(30, _count, replace=False)
    TABLE[_user, _rated] = RANDOM.integers(1, 6, _count)
DATA = Dataset(TABLE, tuple("abcdefgh"))
MEAN, DEVIATION = np.nanmean(TABLE), np.nanstd(TABLE)


@pytest.mark.parametrize("queries", [5, None])
def test_a_task_is_a_users_ratings_each_once(queries):
    tasks = Ratings(DATA, 10, queries)
    users = set()
    sample = jax.jit(lambda key: tasks.sample(key))
    for key in jax.random.split(KEY, 60):
        user = int(tasks.user(key))
        users.add(user)
        (x, y), (xq, yq) = sample(key)
        assert x.shape == (10, 30) and y.shape == (10, 1)
        assert xq.shape == ((20 if queries is None else 5), 30)
        items, labels = jnp.argmax(jnp.concatenate([x, xq]), 1), jnp.concatenate([y, yq])[:, 0]
        np.testing.assert_array_equal(jnp.concatenate([x, xq]).sum(1), 1)
        assert len(set(items.tolist())) == len(items) and jnp.isfinite(y).all()
        wanted = (TABLE[user, items] - MEAN) / DEVIATION
        np.testing.assert_allclose(labels, wanted, rtol=1e-5, atol=1e-6)
        if queries is not None:
            assert jnp.isfinite(yq).all()
    assert users == ({3, 4, 5, 6, 7} if queries else {2, 3, 4, 5, 6, 7})


def test_which_ratings_are_shown_is_left_to_chance():
    tasks = Ratings(DATA, 10, None)
    shown = jax.vmap(lambda k: tasks.sample(k).support[0].sum(0))(jax.random.split(KEY, 600))
    keys = jax.random.split(KEY, 600)
    full = np.asarray(shown)[np.asarray(jax.vmap(tasks.user)(keys)) == 7]
    assert len(full) > 60
    np.testing.assert_allclose(full.mean(0), 1 / 3, atol=0.25)


def test_what_has_no_rating_does_not_count():
    criterion, outputs = SquaredError(), jnp.array([[1.0], [2.0], [9.0]])
    labels = jnp.array([[0.0], [4.0], [jnp.nan]])
    assert float(criterion.loss(outputs, labels)) == pytest.approx(5 / 4)
    assert float(criterion.score(outputs, labels)) == pytest.approx(np.sqrt(5 / 2))
    slope = jax.grad(criterion.loss)(outputs, labels)
    np.testing.assert_allclose(slope, [[0.5], [-1.0], [0.0]])
    assert jnp.isnan(criterion.score(outputs.at[0].set(jnp.nan), labels))


def test_ratings_of_others_are_scaled_by_the_first():
    task = Ratings(DATA, 10, 5, (3.0, 2.0)).sample(KEY)
    values = np.asarray(task.support[1]) * 2 + 3
    np.testing.assert_allclose(values, np.rint(values), atol=1e-6)


def test_what_cannot_be_is_refused_in_a_sentence():
    with pytest.raises(
        ValueError, match=r"No user has the 40 ratings that a task needs; .* are 30"
    ):
        Ratings(DATA, 20, 20)
    with pytest.raises(ValueError, match=r"shots must be at least 1; got 0\."):
        Ratings(DATA, 0, 5)
    with pytest.raises(ValueError, match=r"needs a table \(users, items\).* shape \(2, 2, 2\)"):
        Ratings(Dataset(np.zeros((2, 2, 2), np.float32), ("a", "b")), 1, 1)


def test_a_finite_number_of_tasks_comes_again_and_again():
    tasks = Finite(CosMixture(3, 2), 4, seed=1)
    points = jax.vmap(lambda k: tasks.sample(k).support[0])(jax.random.split(KEY, 100))
    assert len(np.unique(points.reshape(100, -1), axis=0)) == 4
    again = Finite(CosMixture(3, 2), 4, seed=2).sample(KEY).support[0]
    assert not (np.asarray(points) == np.asarray(again)).all((1, 2)).any()
