"""Tasks of random hyperplanes: what is shared, what is fresh, how labels are coded."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from comlnviz.models.linear_head import softmax_cross_entropy
from comlnviz.tasks import LinearBoundaries

KEYS = jax.random.split(jax.random.key(0), 3)


def test_labels_are_the_side_of_a_hyperplane_through_the_origin():
    tasks = LinearBoundaries(5, 400, 100)
    (x, y), (x_query, y_query) = tasks.sample(KEYS[0])
    assert x.shape == (400, 5) and y_query.shape == (100, 2)
    np.testing.assert_array_equal(y.sum(1), 1)
    # The other side has the other label, so one hyperplane separates the points and mirrored ones.
    signs = 2 * y[:, 1] - 1
    fit = np.zeros(5)
    for _ in range(10_000):  # the perceptron, which ends if and only if there is one
        margins = signs * (x @ fit)
        if (margins > 0).all():
            break
        worst = np.argmin(margins)
        fit = fit + signs[worst] * x[worst]
    assert ((x @ fit > 0) == (y[:, 1] == 1)).all()
    assert ((x_query @ fit > 0) == (y_query[:, 1] == 1)).mean() > 0.95
    assert 0.3 < y[:, 1].mean() < 0.7


def test_points_are_shared_or_fresh_and_boundaries_differ():
    shared, fresh = (LinearBoundaries(5, 40, 10, shared=s) for s in (True, False))
    one, two = (shared.sample(k) for k in KEYS[:2])
    np.testing.assert_array_equal(one.support[0], two.support[0])
    np.testing.assert_array_equal(one.query[0], two.query[0])
    assert (one.support[1] != two.support[1]).any()
    assert (one.support[0][:10] != one.query[0]).all()
    assert (fresh.sample(KEYS[0]).support[0] != fresh.sample(KEYS[1]).support[0]).all()


def test_without_queries_the_support_set_is_the_query_set():
    task = LinearBoundaries(5, 40).sample(KEYS[0])
    assert all((a == b).all() for a, b in zip(*task, strict=True))


def test_minus_one_in_a_cross_entropy_is_unbounded_below():
    plain, wrong = (LinearBoundaries(5, 40, wrong_minus=w) for w in (False, True))
    (x, y), (_, coded) = plain.sample(KEYS[0]).support, wrong.sample(KEYS[0]).support
    np.testing.assert_array_equal(jnp.argmax(y, 1), jnp.argmax(coded, 1))
    z = 50.0 * x[:, 0]
    logits = jnp.stack([jnp.zeros_like(z), z], axis=1)
    sign = 2 * y[:, 1] - 1
    binary = -(sign * jax.nn.log_sigmoid(z) + (1 - sign) * jax.nn.log_sigmoid(-z))
    assert softmax_cross_entropy(logits, coded) == pytest.approx(float(binary.mean()))
    right = jnp.stack([jnp.zeros_like(z), 1e6 * sign], axis=1)
    assert softmax_cross_entropy(right, coded) < -1e5


def test_few_boundaries_come_again():
    tasks = LinearBoundaries(5, 40, shared=True, normals=3)
    seen = {
        tuple(np.asarray(tasks.sample(k).support[1][:, 1])) for k in jax.random.split(KEYS[0], 40)
    }
    assert len(seen) == 3


def test_sizes_that_cannot_be_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match="support must be at least 1; got 0"):
        LinearBoundaries(5, 0, 3)
