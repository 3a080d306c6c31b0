"""Linear models in a plane: that they adapt as the package's methods do, and what they learn."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from comlnviz.algorithms import MetaOptimizerMAML
from comlnviz.algorithms.meta_optimizer_maml import Meta
from comlnviz.inner import KLin
from comlnviz.models import LinNet, cross_entropy
from comlnviz.studies import meta_optimizers
from comlnviz.studies.meta_optimizers import CURVATURE, KLIN, LINNET, LR, STOPS

FAMILY: dict[str, Any] = dict(
    alpha=2.0, num_steps=2, stretch=4.0, tilt=40.0, depth=2, rank=1, seed=0
)
study = lambda model, meta_step=STOPS[-1], task=3: meta_optimizers.study(
    model=model, meta_step=meta_step, task=task, **FAMILY
)


@pytest.fixture(scope="module")
def learned():
    return study(KLIN)


def examples(record):
    """Of the task on show, with one-hot labels."""
    positive = jnp.asarray(record.positive)
    return jnp.asarray(record.points), jnp.stack([1 - positive, positive], axis=1)


def test_meta_training_teaches_a_rule_what_a_linear_model_cannot_learn(learned):
    at_last = lambda record: np.mean(record.accuracy[-8:])  # a point is 25 tasks
    assert at_last(learned) > np.mean(learned.accuracy[:8]) + 0.05
    plain = study(LR)
    assert at_last(plain) < at_last(learned) - 0.07
    np.testing.assert_array_equal(plain.look.A, np.eye(2))


def test_the_update_on_show_is_the_rule_of_the_gradient(learned):
    look, L, R = learned.look, learned.factors["L"], learned.factors["R"]
    loss = lambda w: cross_entropy(jnp.stack([0 * w, w]), examples(learned))
    gradient = jax.grad(loss)(jnp.asarray(look.weights[0]))
    np.testing.assert_allclose(look.gradient, gradient, rtol=1e-10)
    np.testing.assert_allclose(look.update, (L @ look.gradient[None] @ R)[0], rtol=1e-10)
    np.testing.assert_allclose(look.A, L[0, 0] * R.T, rtol=1e-10)
    step = look.weights[0] - FAMILY["alpha"] * look.update
    np.testing.assert_allclose(look.weights[1], step, rtol=1e-10)


def test_a_masked_number_of_steps_is_that_number_of_steps(learned):
    course = meta_optimizers.course(model=KLIN, **FAMILY)
    meta = jax.tree.map(lambda x: x[-1], course.meta)
    algorithm = MetaOptimizerMAML(LinNet(2), KLin(), FAMILY["alpha"], FAMILY["num_steps"])
    adapted = algorithm.adapt(Meta(meta.network, meta.rule), examples(learned)).params
    for weight in learned.look.weights[2:]:
        np.testing.assert_allclose(weight, adapted.weights[0][0], rtol=1e-10)


def test_meta_curvature_is_the_rule_that_stays_and_with_one_step_it_is_klin():
    course = lambda model, steps: meta_optimizers.course(
        model=model, **{**FAMILY, "num_steps": steps}
    )
    np.testing.assert_array_equal(course(CURVATURE, 1).accuracy, course(KLIN, 1).accuracy)
    two = course(CURVATURE, 2)
    assert np.abs(two.accuracy - course(KLIN, 2).accuracy).max() > 0
    meta = jax.tree.map(lambda x: x[-1], two.meta)
    record = study(CURVATURE)
    held = MetaOptimizerMAML(LinNet(2), KLin(), FAMILY["alpha"], 2, adapt_rule=False)
    adapted = held.adapt(Meta(meta.network, meta.rule), examples(record)).params
    np.testing.assert_allclose(record.look.weights[2], adapted.weights[0][0], rtol=1e-10)


def test_the_wanted_map_turns_the_expected_gradient_into_the_normal(learned):
    shape = meta_optimizers._plane(FAMILY["stretch"], FAMILY["tilt"])
    z = np.random.default_rng(0).normal(size=(200_000, 2))
    x = z @ shape
    expected = np.mean(np.sign(x @ learned.normal)[:, None] * x, axis=0)
    turned = learned.wanted @ expected
    np.testing.assert_allclose(turned / np.linalg.norm(turned), learned.normal, atol=0.02)


def test_a_deep_linear_network_moves_as_if_by_a_rule(learned):
    look = study(LINNET, meta_step=0).look
    np.testing.assert_allclose(look.A, look.A.T, atol=1e-12)
    np.testing.assert_allclose(look.A @ look.gradient, look.update, rtol=1e-10)
    assert np.linalg.eigvalsh(look.A).min() > 0


def test_settings_that_are_not_listed_are_refused():
    for name, value in (("meta_step", 3), ("task", 8)):
        with pytest.raises(ValueError, match=f"{name} must be one of .*; got {value}"):
            meta_optimizers.study(**{"model": LR, "meta_step": 0, "task": 0, **FAMILY, name: value})
    for name, value in (("model", "MLP"), ("num_steps", 4), ("rank", 3)):
        with pytest.raises(ValueError, match=f"{name} must be one of .*; got {value!r}"):
            meta_optimizers.course(**{"model": LR, **FAMILY, name: value})
    with pytest.raises(ValueError, match=r"alpha must be positive .*; got 0.0 and 4"):
        meta_optimizers.course(**{"model": LR, **FAMILY, "alpha": 0.0})
