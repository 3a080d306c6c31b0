"""What the live figures show, computed: that it is what they say."""

import numpy as np
import pytest

from comlnviz.studies import learn_t, sensitivity


@pytest.fixture(scope="module")
def record():
    return sensitivity.study(1)


def test_the_jacobian_put_together_from_B_is_that_of_automatic_differentiation(record):
    np.testing.assert_allclose(record.jacobian, record.reference, atol=1e-5)
    assert record.jacobian_error.max() < 1e-5


def test_both_routes_give_the_exact_meta_gradient_at_every_time(record):
    assert record.projection_error.max() < 1e-4
    assert record.gram_error.max() < 1e-4


def test_sizes_are_those_of_the_arrays():
    sizes = sensitivity.sizes(M=25, N=5, d=1600, checkpoints=20)
    assert sizes["s"] == 125 and sizes["B"] == 125**2 and sizes["z"] == 25**3 * 5
    assert sizes["plain"] == 8000 * (8000 + 25 * 1600)
    larger = sensitivity.sizes(M=25, N=5, d=16_000, checkpoints=20)
    assert {k for k in sizes if sizes[k] != larger[k]} == {"plain", "unrolled"}


def test_the_alignment_is_minus_the_slope_of_the_query_loss():
    curves = learn_t.study(shots=5, noise=0.2)
    slope = np.gradient(np.asarray(curves.query_loss), np.log(learn_t.TIMES), axis=1)
    found = -np.asarray(curves.alignment) * learn_t.TIMES
    np.testing.assert_allclose(slope[:, 1:-1], found[:, 1:-1], atol=0.02)


def test_fewer_shots_and_wrong_labels_call_for_an_earlier_stop():
    best = lambda shots, noise: learn_t.best(learn_t.study(shots=shots, noise=noise))
    assert best(1, 0.2) < best(5, 0.2)
    assert best(5, 0.4) < best(5, 0.1)


def test_SGD_finds_the_best_T_from_both_sides():
    curves = learn_t.study(shots=2, noise=0.3)
    found = [
        np.exp(np.log(learn_t.learn(curves, start=start, learning_rate=3.0)[-50:]).mean())
        for start in (0.05, 500.0)
    ]
    np.testing.assert_allclose(np.log10(found), np.log10(learn_t.best(curves)), atol=0.3)


def test_settings_that_make_no_task_are_refused():
    with pytest.raises(ValueError, match="1, 2, 5 or 10; got 3"):
        learn_t.study(shots=3, noise=0.0)
    with pytest.raises(ValueError, match=r"from 0 to 1; got 1\.5"):
        learn_t.study(shots=5, noise=1.5)
