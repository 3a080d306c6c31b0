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
    LEAP,
    MAML,
    CrossEntropy,
    MetaSGD,
    Reptile,
    SquaredError,
)
from comlnviz.models import MLP, Classifier
from comlnviz.tasks import Alpine, CosMixture
from comlnviz.training import evaluate

KEY = jax.random.key(3)
MODEL = Classifier(MLP(2, (7, 5), jnp.tanh), 1)
TASKS = CosMixture(12, 9, standardized=True)
TASK = TASKS.sample(KEY)
SQUARED = SquaredError()
FINE = dict(rtol=1e-9, atol=1e-9, adjoint=StoredStates(201, order=4), criterion=SQUARED)
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


@pytest.mark.parametrize("proximal", [0.0, 1.0])
def test_algorithm_2_is_the_derivative_of_the_flow_with_and_without_a_proximal_term(proximal):
    algorithm = AMAML(MODEL, T, proximal=proximal, learn_T=True, **FINE)
    meta = algorithm.init(KEY)
    (loss, score), gradient = eqx.filter_jit(algorithm.meta_grad)(meta, TASK)
    wanted = eqx.filter_jit(eqx.filter_value_and_grad(lambda n: reference(n, T, proximal)))
    value, by_network = wanted(meta.network)
    assert float(loss) == pytest.approx(float(value), rel=1e-7)
    assert error(gradient.network, by_network) < 1e-6
    assert float(score) == pytest.approx(float(jnp.sqrt(2 * value)), rel=1e-7)
    ends = jax.jit(lambda h: reference(meta.network, T * (1 + h), proximal))
    by_log_T = (ends(1e-4) - ends(-1e-4)) / 2e-4
    assert float(gradient.log_T) == pytest.approx(float(by_log_T), rel=1e-4)


def test_T_that_is_held_has_no_gradient():
    algorithm = AMAML(MODEL, T, criterion=SQUARED)
    gradient = eqx.filter_jit(algorithm.meta_grad)(algorithm.init(KEY), TASK)[1]
    assert gradient.log_T == 0
    assert float(algorithm.monitor(algorithm.init(KEY))["T"]) == pytest.approx(T)


def test_tasks_may_differ_in_T():
    algorithm = AMAML(MODEL, 1.0, criterion=SQUARED)
    meta = algorithm.init(KEY)
    times = jnp.array([0.5, 1.0, 3.0])
    batch = jax.vmap(TASKS.sample)(jax.random.split(KEY, 3))
    grad = lambda log_T, task: algorithm.meta_grad(type(meta)(meta.network, log_T), task)
    (losses, _), gradients = jax.jit(jax.vmap(grad))(jnp.log(times), batch)
    for i, time in enumerate(times):
        task = jax.tree.map(lambda x, i=i: x[i], batch)
        (loss, _), gradient = eqx.filter_jit(grad)(jnp.log(time), task)
        assert float(losses[i]) == pytest.approx(float(loss), rel=1e-9)
        assert error(jax.tree.map(lambda x, i=i: x[i], gradients.network), gradient.network) < 1e-9


def test_early_stopping_ends_each_task_when_its_loss_falls_too_slowly():
    slow = AMAML(MODEL, 10.0, slowest=0.02, learn_T=True, **FINE)
    meta = slow.init(KEY)
    batch = jax.vmap(TASKS.sample)(jax.random.split(KEY, 4))
    solutions = jax.jit(jax.vmap(lambda task: slow.adapt(meta, task.support)))(batch)
    ends = np.asarray(solutions.stats["final_time"])
    assert solutions.ok.all() and (ends < 10).all() and len(set(ends.tolist())) > 1

    def slope(network, support):
        gradient = eqx.filter_grad(half_squares)(network, support)
        return sum(float(jnp.sum(g**2)) for g in jax.tree.leaves(gradient))

    for i, end in enumerate(ends):
        support = jax.tree.map(lambda x, i=i: x[i], batch.support)
        assert slope(jax.tree.map(lambda x, i=i: x[i], solutions.params), support) < 0.02
        earlier = dataclasses.replace(slow, T=float(end) - 0.1, slowest=None)
        before = earlier.adapt(earlier.init(KEY), support).params
        assert slope(before, support) >= 0.02
    # Where the time is the task's own, T has no say in it.
    task = jax.tree.map(lambda x: x[0], batch)
    assert eqx.filter_jit(slow.meta_grad)(meta, task)[1].log_T == 0
    never = dataclasses.replace(slow, T=1.0, slowest=1e-9)
    assert float(never.adapt(never.init(KEY), task.support).stats["final_time"]) == 1.0


@pytest.mark.parametrize("tasks", [TASKS, Alpine(10, 10, standardized=True)], ids=str)
@pytest.mark.parametrize(
    "algorithm",
    [
        AMAML(MODEL, 0.3, criterion=SQUARED),
        MAML(MODEL, 0.1, 3, criterion=SQUARED),
        FOMAML(MODEL, 0.1, 3, criterion=SQUARED),
        Reptile(MODEL, 0.1, 3, criterion=SQUARED),
        IMAML(MODEL, 1.0, 0.1, 10, 5, criterion=SQUARED),
        MetaSGD(MODEL, 0.1, 2, criterion=SQUARED),
        LEAP(MODEL, 0.1, 3, criterion=SQUARED),
    ],
    ids=lambda a: type(a).__name__,
)
def test_every_method_of_a_network_learns_functions(algorithm, tasks):
    meta = algorithm.init(KEY)
    (loss, score), gradient = eqx.filter_jit(algorithm.meta_grad)(meta, TASK)
    assert float(score) == pytest.approx(float(jnp.sqrt(2 * loss)))
    assert all(jnp.isfinite(g).all() for g in jax.tree.leaves(eqx.filter(gradient, eqx.is_array)))
    found = evaluate(algorithm, meta, tasks, num_tasks=3)
    untouched = SQUARED.score(jnp.zeros_like(TASK.query[1]), TASK.query[1])
    assert 0 < found.mean < 5 and 0 < untouched < 5


def test_criteria_say_which_way_is_better():
    labels = jnp.array([[1.0], [2.0], [3.0]])
    assert float(SQUARED.loss(labels + 0.2, labels)) == pytest.approx(0.02)
    assert float(SQUARED.score(labels + 0.2, labels)) == pytest.approx(0.2)
    assert SQUARED.lower_is_better and not CrossEntropy().lower_is_better


@pytest.mark.parametrize(
    "settings, message",
    [
        (dict(T=-1.0), r"T must be positive; got -1\.0\."),
        (dict(proximal=-0.1), r"proximal must be zero or positive; got -0\.1\."),
        (dict(slowest=0.0), r"slowest must be positive, or None; got 0\.0\."),
    ],
)
def test_settings_that_cannot_be_are_refused_in_a_sentence(settings, message):
    with pytest.raises(ValueError, match=message):
        AMAML(MODEL, **settings)
