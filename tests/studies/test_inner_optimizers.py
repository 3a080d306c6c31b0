"""Optimizers on a small problem: their paths are optax's, and learning their knobs helps."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from comlnviz import gradient_descent
from comlnviz.studies import inner_optimizers
from comlnviz.studies.inner_optimizers import (
    MAX_STEPS,
    NEURON,
    OPTIMIZERS,
    PROBLEMS,
    begin,
    loss,
    optimizer_of,
)

SETTINGS = dict(
    optimizer="SGD", learned=("rate",), one_for="each parameter", rate=0.1, num_steps=8,
    condition=20.0, tilt=0.0,
)  # fmt: skip
PLAIN = {
    "SGD": optax.sgd(0.1),
    "momentum": optax.sgd(0.1, 0.9),
    "Adam": optax.adam(0.1, eps_root=1e-8),
    "RMSProp": optax.rmsprop(0.1),
    "Adagrad": optax.adagrad(0.1),
}


@pytest.fixture(scope="module")
def record():
    return inner_optimizers.study(**SETTINGS)


def test_each_fixed_path_is_that_of_optax_step_by_step(record):
    _, unseen = inner_optimizers.tasks(20.0, 0.0, 0)
    support = jax.tree.map(lambda x: jnp.asarray(x[0]), unseen.support)
    gradient = jax.jit(jax.grad(loss))
    for name, path in zip(OPTIMIZERS, record.fixed_paths, strict=True):
        weights = {"w1": jnp.asarray(path[0, 0]), "w2": jnp.asarray(path[0, 1])}
        memory = PLAIN[name].init(weights)
        for point in path[1:]:
            updates, memory = PLAIN[name].update(gradient(weights, support), memory)
            weights = optax.apply_updates(weights, updates)
            np.testing.assert_allclose([weights["w1"], weights["w2"]], point, rtol=1e-10)
    assert len(path) == 9


def test_learned_rates_lower_the_loss_on_unseen_tasks_and_what_is_not_learned_stays(record):
    assert record.losses[0] == pytest.approx(record.fixed_losses[0])
    np.testing.assert_allclose(record.paths[0], record.fixed_paths[0], rtol=1e-12)
    assert record.losses[-1] < record.losses[0] / 5
    assert record.seen_losses[-1] < record.seen_losses[0] / 5
    # The flat direction, along the first axis, gets the longer steps.
    np.testing.assert_allclose(record.rates[0], 0.1)
    assert record.rates[-1, 0] > 5 * record.rates[-1, 1]
    np.testing.assert_array_equal(record.starts, np.tile(record.starts[:1], (61, 1)))
    start = inner_optimizers.study(**{**SETTINGS, "learned": ("start",)})
    np.testing.assert_array_equal(start.rates, np.full((61, 2), start.rates[0, 0]))
    assert np.ptp(start.starts, axis=0).min() > 0.5
    assert start.losses[-1] < start.losses[0]


def test_the_number_of_steps_is_masked_exactly():
    seen, _ = inner_optimizers.tasks(20.0, 10.0, 1)
    rule = optimizer_of("momentum", ("array",))
    meta = begin(rule, jnp.log(0.1))

    def plain(meta, task):
        optimizer = rule(meta.optimizer)
        adapted = gradient_descent(loss, meta.start, task.support, 5, optimizer=optimizer)
        return loss(adapted.params, task.query)

    def mean(meta):
        return jnp.mean(jax.vmap(plain, (None, 0))(meta, jax.tree.map(jnp.asarray, seen)))

    masked = lambda meta: inner_optimizers.meta_loss(rule, meta, seen, jnp.asarray(5))
    for one, other in zip(
        jax.tree.leaves(jax.jit(jax.grad(masked))(meta)),
        jax.tree.leaves(jax.jit(jax.grad(mean))(meta)),
        strict=True,
    ):
        np.testing.assert_allclose(one, other, rtol=1e-10)


def test_the_order_of_steps_does_not_matter_on_a_quadratic():
    """So the rates of single steps, alike at first, have the same gradient for ever."""
    record = inner_optimizers.study(**{**SETTINGS, "one_for": "each step"})
    assert record.rates.shape == (61, 8)
    np.testing.assert_allclose(record.rates, np.tile(record.rates[:, :1], 8), rtol=1e-6)
    assert record.rates[-1, 0] > 0.5


@pytest.mark.parametrize("problem", PROBLEMS)
def test_each_model_fits_its_labels_at_its_own_weights_and_is_worse_beside(problem):
    seen, _ = inner_optimizers.tasks(20.0, 10.0, 1, problem)
    weights, _, noise = inner_optimizers._drawn(1)
    inputs, w = seen.support[0][0], jnp.asarray(weights[0])
    exact = inner_optimizers._LINKS[problem](inputs @ weights[0])
    data = jnp.asarray(inputs), jnp.asarray(exact)
    value = lambda w: loss({"w1": w[0], "w2": w[1]}, data, problem)
    assert float(value(w)) == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(jax.grad(value)(w), 0, atol=1e-12)
    assert float(value(w + 0.3)) > 1e-4
    noisy = inner_optimizers._LINKS[problem](inputs @ weights[0] + noise[0, : len(inputs)])
    np.testing.assert_allclose(seen.support[1][0], noisy, rtol=1e-12)


def test_where_curvature_changes_on_the_way_the_rates_of_steps_part():
    record = inner_optimizers.study(**{**SETTINGS, "one_for": "each step", "problem": NEURON})
    assert np.ptp(record.rates[-1]) > 0.01 * record.rates[-1].mean()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(problem="a brain"), r"problem must be among linear regression, .*; got 'a brain'"),
        (dict(optimizer="LBFGS"), r"optimizer must be among SGD, .*; got 'LBFGS'"),
        (dict(learned=("luck",)), r"learned must be among rate, betas, start; got 'luck'"),
        (dict(num_steps=MAX_STEPS + 1), r"num_steps must be from 1 to 20; got 21"),
        (dict(condition=0.5), r"condition 1 or more; got 0\.1, 0\.5"),
    ],
)
def test_what_is_out_of_range_is_refused_in_a_sentence(change, message):
    with pytest.raises(ValueError, match=message):
        inner_optimizers.study(**{**SETTINGS, **change})
