"""A-MAML: its meta-gradient, times that differ by task, and functions to learn."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from reference import error, rk4

from comlnviz.adjoints import StoredStates
from comlnviz.algorithms import (
    AMAML,
    FOMAML,
    IMAML,
    MAML,
    Reptile,
)
from comlnviz.models import MLP, Classifier, CrossEntropy, SquaredError
from comlnviz.tasks import Alpine, CosMixture
from comlnviz.training import evaluate

KEY = jax.random.key(3)
TASKS = CosMixture(12, 9, standardized=True)
TASK = TASKS.sample(KEY)
SQUARED = SquaredError()
MODEL = Classifier(MLP(2, (7, 5), jnp.tanh), 1, SQUARED)
FINE = dict(rtol=1e-9, atol=1e-9, adjoint=StoredStates(201, order=4))
T = 2.0


def half_squares(network, data):
    return 0.5 * jnp.mean((network(data[0]) - data[1]) ** 2)


def reference(network, T, proximal=0.0):
    """The query loss after a finely stepped flow, for JAX to differentiate."""
    start, fixed = eqx.partition(network, eqx.is_inexact_array)

    def field(u):
        def loss(u):
            away = sum(
                jnp.sum((a - b) ** 2)
                for a, b in zip(jax.tree.leaves(u), jax.tree.leaves(start), strict=True)
            )
            return half_squares(eqx.combine(u, fixed), TASK.support) + proximal / 2 * away

        return jax.tree.map(jnp.negative, jax.grad(loss)(u))

    return half_squares(eqx.combine(rk4(field, start, T, 100), fixed), TASK.query)


def test_algorithm_2_is_the_derivative_of_the_flow_with_its_proximal_term():
    algorithm = AMAML(MODEL, T, proximal=1.0, learn_T=True, **FINE)
    meta, meta_grad = algorithm.init(KEY), eqx.filter_jit(algorithm.meta_grad)
    (loss, score), gradient = meta_grad(meta, TASK)
    wanted = eqx.filter_jit(eqx.filter_value_and_grad(lambda n: reference(n, T, 1.0)))
    value, by_network = wanted(meta.network)
    assert float(loss) == pytest.approx(float(value), rel=1e-7)
    assert error(gradient.network, by_network) < 1e-6
    assert float(score) == pytest.approx(float(jnp.sqrt(2 * value)), rel=1e-7)
    ends = jax.jit(lambda h: reference(meta.network, T * (1 + h), 1.0))
    by_log_T = (ends(1e-4) - ends(-1e-4)) / 2e-4
    assert float(gradient.log_T) == pytest.approx(float(by_log_T), rel=1e-4)
    # A failed adaptation never passes for a result.
    broken = jax.tree.map(lambda x: x * jnp.nan if eqx.is_inexact_array(x) else x, meta)
    (loss, score), _ = meta_grad(broken, TASK)
    assert jnp.isnan(loss) and jnp.isnan(score)


def test_tasks_may_differ_in_T():
    algorithm = AMAML(MODEL, 1.0)
    meta = algorithm.init(KEY)
    assert float(algorithm.monitor(meta)["T"]) == pytest.approx(1.0)
    batch = jax.vmap(TASKS.sample)(jax.random.split(KEY, 2)).support
    adapt = lambda log_T, support: algorithm.adapt(type(meta)(meta.network, log_T), support)
    together = jax.jit(jax.vmap(adapt))
    solutions = together(jnp.log(jnp.array([0.5, 3.0])), batch)
    np.testing.assert_allclose(solutions.stats["final_time"], [0.5, 3.0])
    for i, time in enumerate([0.5, 3.0]):  # as if all tasks had this one's T
        alike = together(jnp.log(jnp.full(2, time)), batch)
        row = lambda tree, i=i: jax.tree.map(lambda x: x[i], tree)
        assert error(row(solutions.params), row(alike.params)) < 1e-12
    assert error(row(solutions.params), meta.network) > 0.01


def test_early_stopping_ends_each_task_when_its_loss_falls_too_slowly():
    most = 10.0
    slow = AMAML(MODEL, most, slowest=0.02, **FINE)
    meta = slow.init(KEY)
    batch = jax.vmap(TASKS.sample)(jax.random.split(KEY, 4))
    solutions = jax.jit(jax.vmap(lambda task: slow.adapt(meta, task.support)))(batch)
    ends = np.asarray(solutions.stats["final_time"])
    assert solutions.ok.all() and 1 < len(set(ends.tolist())) and (ends < most).sum() >= 2
    plain = dataclasses.replace(slow, slowest=None)
    until = jax.jit(lambda T, s: plain.adapt(type(meta)(meta.network, jnp.log(T)), s).params)

    @eqx.filter_jit
    def slope(network, support):
        gradient = eqx.filter_grad(half_squares)(network, support)
        return sum(jnp.sum(g**2) for g in jax.tree.leaves(gradient))

    for i, end in enumerate(ends):
        support = jax.tree.map(lambda x, i=i: x[i], batch.support)
        if end < most:
            assert slope(jax.tree.map(lambda x, i=i: x[i], solutions.params), support) < 0.02
        for share in (0.25, 0.5, 1.0):
            assert slope(until(share * (end - most / 100), support), support) >= 0.02


@pytest.mark.parametrize(
    "algorithm",
    [
        MAML(MODEL, 0.1, 3),
        FOMAML(MODEL, 0.1, 3),
        Reptile(MODEL, 0.1, 3),
        IMAML(MODEL, 1.0, 0.1, 10, 5),
    ],
    ids=lambda a: type(a).__name__,
)
def test_the_methods_it_is_compared_with_learn_functions_too(algorithm):
    meta = algorithm.init(KEY)
    (loss, score), gradient = eqx.filter_jit(algorithm.meta_grad)(meta, TASK)
    assert float(score) == pytest.approx(float(jnp.sqrt(2 * loss)))
    lower = jax.tree.map(lambda u, g: u - 0.05 * g, meta, gradient)
    if not isinstance(algorithm, Reptile):
        assert float(algorithm.meta_loss(lower, TASK)) < float(loss)


def test_an_error_is_a_score_like_accuracy():
    algorithm = MAML(MODEL, 0.1, 3)
    meta, tasks = algorithm.init(KEY), Alpine(10, 10, standardized=True)
    found = evaluate(algorithm, meta, tasks, num_tasks=3)
    task = tasks.sample(jax.random.split(jax.random.key(0), 3)[1])
    adapted = algorithm.adapt(meta, task.support).params
    wanted = np.sqrt(np.mean((np.asarray(adapted(task.query[0])) - task.query[1]) ** 2))
    assert found.per_task[1] == pytest.approx(float(wanted))


def test_criteria_say_which_way_is_better():
    labels = jnp.array([[1.0], [2.0], [3.0]])
    assert float(SQUARED.loss(labels + 0.2, labels)) == pytest.approx(0.02)
    assert float(SQUARED.score(labels + 0.2, labels)) == pytest.approx(0.2)
    assert SQUARED.lower_is_better and not CrossEntropy().lower_is_better


@pytest.mark.parametrize(
    "settings, message",
    [
        (dict(T=-1.0), r"T must be positive and finite; got -1\.0\."),
        (dict(T=jnp.inf), r"T must be positive and finite; got inf\."),
        (dict(proximal=-0.1), r"proximal must be zero or positive; got -0\.1\."),
        (dict(slowest=0.0), r"slowest must be positive, or None; got 0\.0\."),
    ],
)
def test_settings_that_cannot_be_are_refused_in_a_sentence(settings, message):
    with pytest.raises(ValueError, match=message):
        AMAML(MODEL, **settings)
