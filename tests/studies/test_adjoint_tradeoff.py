"""Ways back over stored states and without: that they are the adjoints, and what is right."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from comlnviz import gradient_flow
from comlnviz.adjoints import Backsolve, Checkpointed, StoredStates
from comlnviz.algorithms import AMAML
from comlnviz.models import MLP, Classifier, SquaredError
from comlnviz.papers.amaml_table_4 import exact, potential
from comlnviz.studies import adjoint_tradeoff
from comlnviz.tasks import CosMixture


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

    np.testing.assert_allclose(record.gradient[0], jax.jit(jax.grad(loss))(y0), rtol=1e-10)
    assert record.error == pytest.approx(
        abs(record.gradient[0] / float(exact(y0, jnp.asarray(1.3))) - 1)
    )
    halts = np.isfinite(record.costate)
    assert halts[0] and halts[-1]
    if method == "order 4":
        assert halts.tolist() == [True, False] * 7 + [True]


def test_what_is_right_on_CosMixture_is_what_autodiff_finds():
    settings = dict(problem="CosMixture", T=0.5, dtype="float64", seed=3)
    record = adjoint_tradeoff.study(num_states=50, method="order 4", **settings)
    model = Classifier(MLP(2, (32, 32), jnp.tanh), 1, SquaredError())
    algorithm = AMAML(model, T=0.5, rtol=1e-9, atol=1e-9, adjoint=Checkpointed())
    key = jax.random.key(3)
    meta = algorithm.init(jax.random.fold_in(key, 1))
    task = CosMixture(100, 100, standardized=True).sample(key)
    found = eqx.filter_jit(algorithm.meta_grad)(meta, task)[1].network
    found = ravel_pytree(eqx.filter(found, eqx.is_inexact_array))[0]
    length = np.linalg.norm(found)
    assert np.linalg.norm(record.reference.gradient - found) < 1e-7 * length
    assert record.error < 1e-5
    assert record.reference.costate[0] == pytest.approx(1) == record.reference.state[-1]


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
    table = adjoint_tradeoff.table("closed form")
    assert set(table.theirs) == {0.1, 0.5, 1.0, 2.0}
    assert table.theirs[0.5][:, 0].tolist() == [10, 2.67e-4]
    assert table.ours["order 4", 2.0].shape == (2, 7)
    assert set(adjoint_tradeoff.table("CosMixture").theirs) == {0.1, 0.3, 0.5}


def test_settings_that_are_not_listed_are_refused():
    settings = dict(problem="closed form", T=1.0, num_states=20, method="order 4", dtype="float32")
    for name, value in (("num_states", 21), ("method", "Euler"), ("dtype", "float16")):
        with pytest.raises(ValueError, match=f"{name} must be one of .*; got {value!r}"):
            adjoint_tradeoff.study(**{**settings, name: value})
    with pytest.raises(ValueError, match=r"T must be positive; got -1\.0"):
        adjoint_tradeoff.study(**{**settings, "T": -1.0})
