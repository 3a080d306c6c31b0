"""Predictions of a user's ratings: from what is given, by the flow, and how good they are."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from comlnviz.data import load
from comlnviz.inner import gradient_descent
from comlnviz.papers.initializations import SQUARED
from comlnviz.studies import ratings
from comlnviz.studies.learned_starts import TIMES, nearest, start

AT_1 = nearest(1.0)


def test_what_is_given_and_what_is_held_out_are_a_users_ratings():
    row = load("tastes", split="test").images[7]
    found = [ratings.split("tastes", 7, shots) for shots in ratings.SHOTS]
    for shots, (given, held) in zip(ratings.SHOTS, found, strict=True):
        assert len(given[0]) == shots
        items = np.concatenate([given[0], held[0]])
        assert sorted(items) == np.flatnonzero(np.isfinite(row)).tolist()
        np.testing.assert_array_equal(row[items], np.concatenate([given[1], held[1]]))
        assert given[0].tolist() == found[-1].given[0][:shots].tolist()


def test_small_gradient_steps_lead_to_the_same_predictions():
    given, _ = ratings.split("tastes", 4, 5)
    record = ratings.study(problem="tastes", items=given[0], ratings=given[1])
    train = load("tastes", split="train").images
    mean, deviation = np.nanmean(train), np.nanstd(train)
    assert record.deviation == pytest.approx(deviation)
    np.testing.assert_allclose(record.means, np.nanmean(train, axis=0), rtol=1e-6)
    steps, T = 500, float(TIMES[AT_1])
    with jax.enable_x64(False):
        every = jnp.eye(100)
        labels = jnp.asarray((given[1] - mean) / deviation, float)[:, None]
        descend = jax.jit(
            lambda network: (
                gradient_descent(
                    SQUARED,
                    network,
                    (every[given[0]], labels),
                    steps,
                    optimizer=optax.sgd(T / steps),
                ).params
            )
        )
        network = start("tastes", "A-MAML")
        before, after = (n(every)[:, 0] for n in (network, descend(network)))
    np.testing.assert_allclose(record.before, mean + deviation * before, atol=1e-4)
    np.testing.assert_allclose(record.adapted[AT_1], mean + deviation * after, atol=0.01)
    assert record.ok


def test_without_ratings_nothing_is_adapted():
    record = ratings.study(problem="tastes", items=[], ratings=[])
    np.testing.assert_array_equal(record.adapted, np.tile(record.before, (len(TIMES), 1)))
    assert record.ok


def test_ten_ratings_tell_more_than_what_others_say():
    everyone = ratings.everyone("tastes", 10)
    mean, ci = everyone.mean[AT_1], everyone.ci95[AT_1]
    assert mean + ci < everyone.items[0] - everyone.items[1]
    assert mean + ci < everyone.before[0] - everyone.before[1]
    errors = []
    for user in range(3):
        given, held = ratings.split("tastes", user, 10)
        record = ratings.study(problem="tastes", items=given[0], ratings=given[1])
        errors.append(ratings.error(record, record.adapted, held)[AT_1])
        misses = (record.adapted[AT_1][held[0]] - held[1]) / record.deviation
        assert errors[-1] == pytest.approx(np.sqrt(np.mean(misses**2)))
    assert abs(np.mean(errors) - mean) < 0.4
    assert np.isnan(ratings.error(record, record.adapted, (np.empty(0, int), np.empty(0)))).all()


def test_one_more_rating_moves_the_neighbours_of_its_song():
    study = lambda *rated: ratings.study(
        problem="tastes", items=[item for item, _ in rated], ratings=[r for _, r in rated]
    )
    likes, dislikes = study((0, 5), (99, 1)), study((0, 1), (99, 5))  # slow and cheerful
    lead = (likes.adapted - dislikes.adapted)[AT_1].reshape(10, 10)
    assert lead[:3, :3].mean() > 1 > -1 > lead[-3:, -3:].mean()


@pytest.mark.parametrize(
    "settings, message",
    [
        (dict(items=[1, 1], ratings=[2, 3]), "items must be different, at most 20"),
        (dict(items=[1], ratings=[2, 3]), "as many as ratings; got 1 items and 2 ratings"),
        (dict(items=range(21), ratings=[3] * 21), "at most 20"),
        (dict(items=[100], ratings=[3]), "items must be from 0 to 99; got 100"),
        (dict(items=[3], ratings=[6]), "ratings must be from 1 to 5; got 6"),
        (dict(items=[3], ratings=[np.nan]), "ratings must be from 1 to 5; got nan"),
    ],
)
def test_ratings_that_cannot_be_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        ratings.study(problem="tastes", **settings)


def test_users_and_shots_that_there_are_not_are_refused():
    with pytest.raises(ValueError, match="user must be from 0 to 99; got 100"):
        ratings.split("tastes", 100, 10)
    with pytest.raises(ValueError, match="shots must be one of 1, 2, 5, 10, 15; got 3"):
        ratings.split("tastes", 0, 3)
    with pytest.raises(ValueError, match="problem must be one of tastes, movielens-100k"):
        ratings.split("netflix", 0, 5)
