"""A trained network with layers held: as MAML adapts it, and as the paper says."""

import dataclasses

import equinox as eqx
import jax
import numpy as np
import pytest

from comlnviz.papers.layerwise import Change, follow
from comlnviz.studies import frozen_layers
from comlnviz.studies.frozen_layers import LAYERS, LEARNER, TASKS

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


def test_a_change_is_what_MAML_makes_of_the_layers_named_frozen():
    network = frozen_layers.trained()
    task = jax.tree.map(lambda x: x[0], frozen_layers._tasks(0))
    frozen = dataclasses.replace(LEARNER, num_steps=2, frozen=("encoder.blocks.3", "head", "bias"))
    with jax.enable_x64(False):
        asked = eqx.filter_jit(frozen.predict)(network, task.support, task.query[0])
        none = Change.none(len(LAYERS))
        held = eqx.tree_at(lambda c: c.adapts, none, none.adapts.at[-2:].set(0))
        run = eqx.filter_jit(follow)
        course = lambda change: run(network, task, change, 0.5, 2, jax.random.key(0))
        np.testing.assert_allclose(course(held).logits[-1], asked, rtol=1e-3, atol=1e-4)
        # Normalization takes out again what a layer below it is scaled by: in what the network
        # says, not in how far a step takes it.
        scaled = eqx.tree_at(lambda c: c.after, held, none.after.at[1].set(8.0))
        np.testing.assert_allclose(course(scaled).logits, course(held).logits, rtol=0.05, atol=0.05)
        before = eqx.tree_at(lambda c: c.before, none, none.after.at[3].set(8.0))
        assert course(before).moved[3] < course(none).moved[3] / 10


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
