"""Experiments on convolutional networks: a cell of each, with tiny settings, and their verdicts."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from comlnviz.data import load
from comlnviz.models import Classifier, Identity
from comlnviz.models.freeze import count
from comlnviz.papers import (
    gimli_figure_1,
    metaopt_figure_2,
    metaopt_figure_a1,
    metaopt_figure_a2,
    metaopt_table_2,
    metaopt_table_a1,
    metaopt_table_a2,
    metaopt_table_a3,
)
from comlnviz.papers.few_shot import Protocol, Trained
from comlnviz.papers.metaopt_networks import CNN, OMNIGLOT, RULES, SCNN, Setting, method
from comlnviz.training import Run

TINY = Setting(
    "Omniglot",
    Protocol(
        data="glyphs", encoder=Identity(1), queries=2, num_steps=2, batch_size=1,
        optimizer="adam 0.003", selection_steps=2, validate_every=2, validation_tasks=2,
        test_queries=2, test_tasks=3, ways=3,
        loaded=lambda _: load("glyphs", split="validation"),  # the fewest to draw
    ),
    1, 1, (28, 28, 1), 2, "stride", True, (0.8, 0.5), dict.fromkeys(RULES, 0.5),
)  # fmt: skip


@pytest.fixture
def untrained(monkeypatch):
    """Experiments on a network of four layers that MAML has not trained, and on few tasks."""
    algorithm = method("MAML", CNN, TINY)
    meta = eqx.filter_jit(algorithm.init)(jax.random.key(0))
    run = Run(meta, {}, 0, False)
    for module in (metaopt_figure_2, metaopt_table_a1):
        monkeypatch.setattr(module, "trained", lambda *_: Trained(algorithm, 0, run))
        monkeypatch.setattr(module, "TASKS", 4)
    return meta


def test_layers_are_frozen_disturbed_and_scaled(untrained, tmp_path, monkeypatch):
    monkeypatch.setattr(metaopt_figure_2, "NOISE", (0.0, 2.0))
    monkeypatch.setattr(metaopt_figure_a2, "FACTORS", (1.0, 32.0))
    cells = dict(metaopt_figure_2.preset((TINY,), "").cells)
    cells |= metaopt_figure_a2.preset((TINY,), "").cells
    run = lambda name: cells[f"{name} (Omniglot)"](tmp_path)
    plain = run("no layer, freezing only this")
    assert len(plain["per_task"]) == 4 and 0 <= plain["mean"] <= 100
    assert run("C4, adapting only this")["ci95"] >= 0
    noisy = run("FC disturbed, C1–C3 frozen")
    assert noisy["curve"][-1] == [noisy["mean"], noisy["ci95"]]
    # Factor 1 changes nothing; nor does scaling the head, bias included, once it is adapted.
    scaled = run("FC, × 32 after adaptation")
    assert scaled["curve"][0][0] == plain["mean"] == scaled["curve"][1][0]


def test_the_smallest_numbers_of_an_adapted_network_are_pruned(untrained, tmp_path):
    found = metaopt_table_a1.pruned(TINY, tmp_path)
    assert len(found["curve"]) == len(metaopt_table_a1.THRESHOLDS) and found["threshold"] > 0
    small = Classifier(TINY.encoder(SCNN), TINY.protocol.ways).init(jax.random.key(0))
    assert found["kept"] == count(small) > 0
    kept = 20
    cut = metaopt_table_a1.prune(untrained, metaopt_table_a1._at_least(untrained, kept))
    left = sum(int(jnp.sum(x != 0)) for x in jax.tree.leaves(eqx.filter(cut, eqx.is_array)))
    statistics = sum(int(jnp.sum(b[1].variance != 0)) for b in cut.encoder.blocks)
    assert left - statistics == kept < count(cut)


@pytest.mark.slow
def test_a_small_network_is_trained_with_a_rule_and_bounded(tmp_path, monkeypatch):
    scratch = tmp_path / "metaopt-table-A2" / "classroom"
    found = metaopt_table_a2._cell("MC", 1, TINY, scratch)
    assert 0 <= found["mean"] <= 100 and found["ci95"] >= 0
    assert metaopt_table_a2._cell("MC", 1, TINY, scratch) == found  # from its checkpoint
    monkeypatch.setattr(metaopt_table_2, "SCNN", 1)
    monkeypatch.setattr(metaopt_table_2, "BOUND_STEPS", 2)
    monkeypatch.setattr(metaopt_table_2, "BOUND_TASKS", 2)
    assert 0 <= metaopt_table_2.upper_bound(TINY, tmp_path)["mean"] <= 100


def test_a_rule_is_timed_and_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(metaopt_table_a3, "timed", lambda *_: np.array([0.1, 0.3, 0.2]))
    setting = dataclasses.replace(TINY, channels=64, protocol=OMNIGLOT_TASKS)
    found = metaopt_table_a3._cell("KFC", 2, setting, tmp_path)
    assert found["mean"] == 0.2
    # Table A3 prints both.
    assert (found["model_parameters"], found["optimizer_parameters"]) == (38_474, 134_171)


OMNIGLOT_TASKS = dataclasses.replace(TINY.protocol, ways=10)


def test_width_and_depth_are_those_of_the_cell(tmp_path):
    found = metaopt_figure_a1._cell(4, 1, 100, tmp_path)
    assert 40 < found["mean"] <= 100 and len(found["course"]) == 50


def test_rates_are_learned_while_a_network_trains():
    """The slope in the rates is that of the unrolled steps, and the network stays."""
    training = dataclasses.replace(
        gimli_figure_1.CLASSROOM, epochs=2, unroll=2, batches=2, batch_size=400, meta_rate=0.01,
        encoder=dataclasses.replace(gimli_figure_1.CLASSROOM.encoder, growth=2, layers=(1,)),
    )  # fmt: skip
    found = gimli_figure_1.course("meta-learned", training, 0)
    assert len(found["accuracy"]) == len(found["rates"]) == 2
    moves = np.diff([[0.1] * len(found["rates"][0]), *found["rates"]], axis=0)
    assert 0 < np.abs(moves).max() <= 0.011  # Adam's step
    schedule = [gimli_figure_1.CLASSROOM.rate("multi-step", epoch) for epoch in (14, 15, 22)]
    assert schedule == pytest.approx([0.1, 0.01, 0.001])


def test_verdicts_follow_the_numbers():
    cell = lambda mean, tasks=None: {
        "mean": mean, "ci95": 1.0, **({"per_task": tasks} if tasks else {})
    }  # fmt: skip
    full, poor = [0.9, 1.0, 0.95, 0.95] * 25, [0.5, 0.6, 0.55, 0.55] * 25
    column = lambda what: metaopt_figure_2.column(what, OMNIGLOT)
    freeze, adapt = (column(w) for w in (metaopt_figure_2.FREEZE, metaopt_figure_2.ADAPT))
    cells = {f"{layer}, {freeze}": cell(95.0, full) for layer in ("no layer", "C1", "C2", "C3")}
    cells |= {f"C4, {freeze}": cell(55.0, poor), f"C4, {adapt}": cell(95.0, full)}
    cells[f"FC disturbed, {column(metaopt_figure_2.DISTURB)}"] = {
        **cell(50.0), "curve": [[95.0, 1.0], [50.0, 1.0]]
    }  # fmt: skip
    assert {f.verdict for f in metaopt_figure_2.judge(cells)} == {"holds"}
    cells[f"C2, {freeze}"] = cell(55.0, poor)
    cells[f"C4, {freeze}"] = cell(95.0, full)
    verdicts = [f.verdict for f in metaopt_figure_2.judge(cells)]
    assert verdicts[1] == "does not hold" and verdicts[3] == "undecided"

    at = lambda layers, words: metaopt_table_a2.name(layers, words, OMNIGLOT)
    table = {at(n, "CNN"): cell(20.0 * n) for n in (1, 2, 3, 4)}
    table |= {at(n, "CNN w/ KFC"): cell(20.0 * n + 15 - n) for n in (1, 2, 3, 4)}
    assert {f.verdict for f in metaopt_table_a2.judge(table)} == {"holds"}
    table[at(2, "CNN w/ KFC")] = cell(0.0)
    assert metaopt_table_a2.judge(table)[-1].verdict == "does not hold"

    curve = lambda *points: {**cell(points[-1]), "curve": list(points)}
    runs = dict(zip(gimli_figure_1.KINDS, (curve(80.0, 90.0), curve(80.0, 95.0),
                                           curve(94.5, 95.0)), strict=True))  # fmt: skip
    cells = {f"{kind}, {gimli_figure_1.COLUMN}": run for kind, run in runs.items()}
    assert [f.verdict for f in gimli_figure_1.judge(cells)] == ["holds"] * 3
    cells[f"meta-learned, {gimli_figure_1.COLUMN}"] = curve(80.0, 85.0)
    assert [f.verdict for f in gimli_figure_1.judge(cells)] == [
        "does not hold", "holds", "does not hold"
    ]  # fmt: skip
