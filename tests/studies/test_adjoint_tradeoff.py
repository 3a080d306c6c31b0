"""Ways back over stored states and without: that they are the adjoints, and what is right."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from comlnviz import gradient_flow
from comlnviz.adjoints import Backsolve, StoredStates
from comlnviz.papers.amaml_table_4 import exact, potential
from comlnviz.studies import adjoint_tradeoff
from comlnviz.studies.adjoint_tables import table


@pytest.mark.parametrize(
    ("method", "adjoint"),
    [
        ("modified Euler", StoredStates(15)),
        ("order 4", StoredStates(15, order=4)),
        ("back-solving", Backsolve()),
    ],
)
def test_each_way_back_is_that_of_its_adjoint(method, adjoint):
    record = adjoint_tradeoff.study(
        problem="closed form", T=1.3, num_states=14, method=method, dtype="float64"
    )
    y0 = jnp.asarray(record.reference.state[0])

    def loss(y0):
        start = (y0, jnp.zeros_like(y0))
        end = gradient_flow(potential, start, None, 1.3, rtol=1e-9, atol=1e-9, adjoint=adjoint)
        return (end.params[0] - 3) ** 6

    # Two programs at rtol = 1e-9, whose steps another machine rounds otherwise.
    np.testing.assert_allclose(record.gradient[0], jax.jit(jax.grad(loss))(y0), rtol=1e-9)
    assert record.error == pytest.approx(
        abs(record.gradient[0] / float(exact(y0, jnp.asarray(1.3))) - 1)
    )
    halts = np.isfinite(record.costate)
    assert halts[0] and halts[-1]
    if method == "order 4":
        assert halts.tolist() == [True, False] * 7 + [True]


def test_what_is_right_on_CosMixture_is_the_slope_of_the_loss_after_the_flow():
    settings = dict(problem="CosMixture", T=0.5, dtype="float64", seed=3)
    record = adjoint_tradeoff.study(num_states=50, method="order 4", **settings)
    task, ends = adjoint_tradeoff._problem("CosMixture", 3), adjoint_tradeoff._places(1)
    direction = np.random.default_rng(0).normal(size=len(task.start))

    def loss(step):
        moved = eqx.tree_at(lambda t: t.start, task, task.start + step * direction)
        path, ok, _ = adjoint_tradeoff._forward(moved, np.asarray(0.5), np.asarray(1e-12), ends)
        assert ok
        return float(jax.jit(task.outer)(path[-1], task.query))

    slope = (loss(1e-4) - loss(-1e-4)) / 2e-4
    assert record.reference.gradient @ direction == pytest.approx(slope, rel=1e-6)
    assert record.error < 1e-5
    assert record.reference.costate[0] == pytest.approx(1)
    assert record.reference.state[[0, -1]].tolist() == pytest.approx([0, 1])


def test_to_T_5_stored_states_come_back_and_back_solving_does_not():
    study = lambda **settings: adjoint_tradeoff.study(
        problem="CosMixture", T=5.0, dtype="float64", **settings
    )
    stored = study(num_states=200, method="order 4")
    assert stored.backward_ok and stored.error < 1e-4
    anew = study(num_states=200, method="back-solving")
    assert anew.forward_ok and not anew.backward_ok
    assert np.isnan(anew.error) and 0 < anew.backward_end < 5


def test_the_tables_are_read_as_they_are_stored():
    found = table("closed form")
    assert set(found.theirs) == {0.1, 0.5, 1.0, 2.0}
    assert found.theirs[0.5][:, 0].tolist() == [10, 2.67e-4]
    assert found.ours["order 4", 2.0].shape == (2, 7)
    assert set(table("CosMixture").theirs) == {0.1, 0.3, 0.5}


def test_settings_that_are_not_listed_are_refused():
    settings = dict(problem="closed form", T=1.0, num_states=20, method="order 4", dtype="float32")
    for name, value in (("num_states", 21), ("method", "Euler"), ("dtype", "float16")):
        with pytest.raises(ValueError, match=f"{name} must be one of .*; got {value!r}"):
            adjoint_tradeoff.study(**{**settings, name: value})
    with pytest.raises(ValueError, match=r"T must be positive; got -1\.0"):
        adjoint_tradeoff.study(**{**settings, "T": -1.0})
