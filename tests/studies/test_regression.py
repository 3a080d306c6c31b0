"""Functions learned from each method's initialization: that the paths are the flow's."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from effort import often

from comlnviz.inner import gradient_descent
from comlnviz.papers.amaml_figure_2 import testing as drawn_from
from comlnviz.papers.initializations import SQUARED
from comlnviz.studies import regression
from comlnviz.studies.learned_starts import TIMES, UNTRAINED, nearest, start
from comlnviz.studies.regression import PROBLEMS, STARTS

CHOSEN: dict[str, Any] = dict(problem="CosMixture", method="A-MAML", shots=50, noise=0.0)
AT_2 = nearest(2.0)


def descended(method, T):
    """The network after many small gradient steps on 100 values of task 3, and its queries."""
    # As many points as are shown: then the task is that of the paper's tests.
    task, steps = drawn_from("CosMixture", 100).sample(jax.random.key(3)), 4000
    descend = jax.jit(
        lambda network: (
            gradient_descent(
                SQUARED, network, task.support, steps, optimizer=optax.sgd(T / steps)
            ).params
        )
    )
    return descend(start("CosMixture", method)), task.query


@pytest.mark.parametrize("method", ["A-MAML", UNTRAINED])
def test_small_gradient_steps_lead_to_the_same_errors(method):
    record = regression.study(**{**CHOSEN, "method": method, "shots": 100}, seed=3)
    with jax.enable_x64(False):
        network, query = descended(method, float(TIMES[AT_2]))
        error = float(SQUARED.score(network(query[0]), query[1]))
    # What tolerance and single precision leave, where an untrained network's error is 1.
    assert record.errors[method][AT_2] == pytest.approx(error, abs=1e-3)


def test_the_fit_on_show_is_the_networks():
    record = regression.study(**{**CHOSEN, "shots": 100}, seed=3)
    with jax.enable_x64(False):
        network, _ = descended("A-MAML", float(TIMES[0]))
        corner = 3**0.5 * np.array([[regression.GRID[-1], regression.GRID[0]]], np.float32)
        value = float(network(jnp.asarray(corner))[0, 0])
    assert record.fits[0][0, -1] == pytest.approx(value, abs=1e-3)  # rows are the second place
    assert abs(record.fits[0][-1, 0] - value) > 1e-2
    assert record.truth[0, 0] < record.truth[20, 20]  # −Σ x² has its top in the middle


def test_what_is_shown_lies_on_the_surface_but_for_its_noise():
    quiet, noisy = (regression.study(**{**CHOSEN, "noise": noise}, seed=2) for noise in (0.0, 0.5))
    np.testing.assert_array_equal(quiet.points, noisy.points)
    cells = np.rint((quiet.points + 1) * (regression.SIDE - 1) / 2).astype(int)
    nearby = quiet.truth[cells[:, 1], cells[:, 0]]
    np.testing.assert_allclose(quiet.values, nearby, atol=0.35)
    difference = noisy.values - quiet.values
    assert 0.35 < difference.std() < 0.65 and abs(difference.mean()) < 0.2
    fewer = regression.study(**{**CHOSEN, "shots": 5}, seed=2)
    np.testing.assert_array_equal(fewer.points, quiet.points[:5])


@pytest.mark.parametrize("problem", PROBLEMS)
def test_every_learned_start_is_ahead_of_a_random_one(problem):
    seeds = range(often(3, 6))
    records = [regression.study(**{**CHOSEN, "problem": problem}, seed=seed) for seed in seeds]
    at = {name: np.mean([r.errors[name][AT_2] for r in records]) for name in STARTS}
    assert all(at[name] < at[UNTRAINED] for name in STARTS if name != UNTRAINED), at


def test_noise_makes_a_long_adaptation_harm():
    records = [
        regression.study(**{**CHOSEN, "shots": 10, "noise": 0.5}, seed=seed) for seed in range(6)
    ]
    errors = np.mean([record.errors["A-MAML"] for record in records], axis=0)
    assert errors[-1] > 1.05 * errors.min()
    shown = np.mean([record.shown_errors for record in records], axis=0)
    assert np.all(np.diff(shown) < 1e-3)  # what is shown is learned ever better


def test_settings_that_are_not_listed_are_refused():
    for name, value in (("problem", "Sine"), ("method", "CAVIA"), ("shots", 7)):
        with pytest.raises(ValueError, match=f"{name} must be one of .*; got {value!r}"):
            regression.study(**{**CHOSEN, name: value})
    with pytest.raises(ValueError, match=r"noise must be zero or positive, and finite; got -1\.0"):
        regression.study(**{**CHOSEN, "noise": -1.0})
