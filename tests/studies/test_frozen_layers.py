"""A trained network with layers held: as MAML adapts it, and as the paper says."""

import dataclasses

import equinox as eqx
import jax
import numpy as np
import pytest

from comlnviz.papers.layerwise import Change
from comlnviz.studies import frozen_layers
from comlnviz.studies.frozen_layers import LAYERS, LEARNER, TASKS
from comlnviz.studies.precision import in_float32

look = lambda frozen, alpha=0.5, noise=0.0: frozen_layers.study(
    frozen=frozen, alpha=alpha, noise=noise, seed=1
)


def test_the_trained_network_adapts_with_C4_and_hardly_without():
    plain, without, alone = look(()), look(("C4",)), look(("C1", "C2", "C3", "FC"))
    assert plain.accuracy[0] < 0.25 and plain.accuracy[-1] > 0.9
    assert without.accuracy[-1] < plain.accuracy[-1] - 0.08
    assert alone.accuracy[-1] > plain.accuracy[-1] - 0.04
    assert without.moved[3] == 0 and without.moved[[0, 1, 2, 4]].min() > 0
    still = look(LAYERS)
    assert not still.moved.any() and np.ptp(still.accuracy) == 0


@in_float32
def adapt(**changed):
    """The share of right queries by task and step, and how far layers move by task."""
    one = np.ones(len(LAYERS), np.float32)
    plain = dict(adapts=one, noise=np.zeros((), np.float32), before=one, after=one)
    change = Change(**{**plain, **changed})
    network, tasks = frozen_layers.trained(), frozen_layers._tasks(1)
    return frozen_layers._adapt(network, tasks, change, np.asarray(0.5, np.float32))[:2]


@in_float32
def by_MAML(frozen):
    task = jax.tree.map(lambda x: x[0], frozen_layers._tasks(1))
    learner = dataclasses.replace(LEARNER, frozen=frozen)
    return eqx.filter_jit(learner.score)(frozen_layers.trained(), task)


def layers(**values):
    return np.array([values.get(layer, 1.0) for layer in LAYERS], np.float32)


def test_a_change_is_what_MAML_makes_of_the_layers_named_frozen():
    right, _ = adapt(adapts=layers(C4=0.0, FC=0.0))
    named = by_MAML(("encoder.blocks.3", "head", "bias"))
    assert right[0, -1] == pytest.approx(float(named), abs=1e-6)
    assert abs(adapt()[0][0, -1] - named) > 0.1  # it matters


def test_normalization_takes_a_scale_out_of_what_a_network_says_but_not_of_its_steps():
    (right, moved), (after, _) = adapt(), adapt(after=layers(C2=8.0))
    np.testing.assert_allclose(after, right, atol=0.04)  # a query of thirty
    before, far = adapt(before=layers(C4=8.0))
    np.testing.assert_allclose(before[:, 0], right[:, 0], atol=0.04)
    assert far[:, 3].max() < moved[:, 3].min() / 10  # the gradient is smaller, and the layer larger


def test_what_there_is_not_is_refused_in_a_sentence():
    with pytest.raises(ValueError, match="frozen must be one of C1, C2, C3, C4, FC; got 'C9'"):
        look(("C1", "C9"))
    with pytest.raises(ValueError, match=r"alpha must be positive .*; got 0\.0 and 0\.0"):
        look((), alpha=0.0)


def test_a_divergence_is_counted_from_its_step():
    record = look((), alpha=3e38)
    first = int((record.lost > 0).argmax())
    assert first > 0 and record.lost[-1] == TASKS and record.lost[0] == 0
    assert record.accuracy[-1] == 0
