"""Regression tasks: the paper's functions, seen at random points."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from comlnviz.tasks import Alpine, CosMixture

KEY = jax.random.key(4)
FAMILIES = pytest.mark.parametrize("family", [CosMixture, Alpine])


@pytest.mark.parametrize("d", [1, 2, 5])
def test_cos_mixture_is_equation_9(d):
    tasks = CosMixture(4, 3, d)
    (x, y), (xq, yq) = tasks.sample(KEY)
    A, omega, phi = tasks.function(KEY).args[0]
    assert 0.1 <= A <= 1 and 0.5 * np.pi <= omega <= 2 * np.pi and 3 <= phi <= 6
    for points, values in [(x, y), (xq, yq)]:
        wanted = [
            -0.1 * sum(A * np.cos(omega * xi + phi) for xi in row) - sum(xi**2 for xi in row)
            for row in np.asarray(points)
        ]
        np.testing.assert_allclose(values[:, 0], wanted, rtol=1e-12)


@pytest.mark.parametrize("d", [1, 2, 5])
def test_alpine_is_equation_10(d):
    tasks = Alpine(4, 3, d)
    (x, y), _ = tasks.sample(KEY)
    (phases,) = tasks.function(KEY).args
    assert phases.shape == (d,) and (jnp.abs(phases) <= 5 * np.pi / 12).all()
    wanted = [
        sum(abs(xi * np.sin(xi + p) + 0.1 * xi) for xi, p in zip(row, phases, strict=True))
        for row in np.asarray(x)
    ]
    np.testing.assert_allclose(y[:, 0], wanted, rtol=1e-12)


@FAMILIES
def test_parameters_and_points_fill_their_ranges(family):
    tasks = family(20, 5)
    keys = jax.random.split(KEY, 500)
    task = jax.jit(jax.vmap(tasks.sample))(keys)
    assert task.support[0].shape == (500, 20, 2) and task.query[1].shape == (500, 5, 1)
    points = np.asarray(task.support[0]) / family.half_width
    assert np.abs(points).max() <= 1 and np.abs(points).max() > 0.99
    assert abs(points.mean()) < 0.02 and points.std() == pytest.approx(3**-0.5, rel=0.02)
    (numbers,) = jax.vmap(tasks.function)(keys).args
    low, high = {
        CosMixture: (np.array([0.1, np.pi / 2, 3]), np.array([1, 2 * np.pi, 6])),
        Alpine: (np.full(2, -5 * np.pi / 12), np.full(2, 5 * np.pi / 12)),
    }[family]
    scaled = (np.asarray(numbers) - low) / (high - low)
    assert scaled.min() >= 0 and scaled.max() <= 1
    np.testing.assert_allclose(scaled.mean(0), 0.5, atol=0.05)
    np.testing.assert_allclose(np.corrcoef(scaled.T), np.eye(scaled.shape[1]), atol=0.15)


@FAMILIES
def test_no_point_is_seen_twice(family):
    task = family(50, 50).sample(KEY)
    points = np.concatenate([task.support[0], task.query[0]])
    assert len(np.unique(points, axis=0)) == 100


@FAMILIES
def test_a_key_means_the_same_task_in_both_precisions(family):
    tasks, drawn = family(6, 6), []
    for wide in (False, True):
        with jax.enable_x64(wide):
            drawn.append(jax.device_get(tasks.sample(jax.random.key(8))))
    assert drawn[0].support[0].dtype == np.float32 and drawn[1].support[0].dtype == np.float64
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4), *drawn)


def test_sizes_below_one_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match=r"shots must be at least 1; got 0\."):
        CosMixture(0, 5)
    with pytest.raises(ValueError, match=r"dimensions must be at least 1; got -1\."):
        Alpine(dimensions=-1)


@FAMILIES
@pytest.mark.parametrize("d", [1, 2, 5])
def test_standardized_tasks_have_mean_0_and_variance_1_over_all(family, d):
    tasks = family(40, 1, d, standardized=True)
    x, y = jax.jit(jax.vmap(tasks.sample))(jax.random.split(KEY, 4000)).support
    for values, slack in [(x, 0.01), (y, 0.02)]:
        assert float(values.mean()) == pytest.approx(0, abs=slack)
        assert float(values.std()) == pytest.approx(1, abs=slack)
    plain = family(40, 1, d).sample(KEY)
    scaled = tasks.as_seen(*plain.support)
    jax.tree.map(np.testing.assert_array_equal, scaled, tasks.sample(KEY).support)
