"""A-MAML's tables: their numbers against other ways to them."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from comlnviz import papers
from comlnviz.data import Dataset
from comlnviz.papers import amaml_figure_2, amaml_table_4, amaml_tables_1_2
from comlnviz.papers.initializations import METHODS, SQUARED, Protocol, learning, methods
from comlnviz.tasks import CosMixture, Ratings

TINY = Protocol(inputs=2, widths=(4,), num_steps=2, batch_size=2, test_tasks=3)


def by_hand(T, n):
    """The relative error of n backward steps of modified Euler for dc/dt = 2tc."""
    h, c = T / n, 1.0
    for j in range(n, 0, -1):
        slope = 2 * j * h * c
        c -= h / 2 * (slope + 2 * (j - 1) * h * (c - h * slope))
    return abs(c / math.exp(-(T**2)) - 1)


def test_table_4_is_modified_euler_on_a_linear_costate():
    found = amaml_table_4.errors("Adjoint", 10)
    assert found.shape == (4, 20)
    for T, row in zip(amaml_table_4.TIMES[2:], found[2:], strict=True):
        np.testing.assert_allclose(row, by_hand(T, 10), rtol=0.01)


def test_table_4_knows_the_derivative_of_what_it_integrates():
    y = lambda y0, T: 1 - T**2 + (y0 - 1) * jnp.exp(-(T**2))
    loss = lambda y0: (y(y0, 0.7) - 3) ** 6
    by_clock = jax.grad(lambda t: y(0.4, t))(0.7)
    slope = jax.grad(amaml_table_4.potential)((y(0.4, 0.7), jnp.asarray(0.7)), None)
    assert float(-slope[0]) == pytest.approx(float(by_clock)) and float(slope[1]) == -1
    wanted = amaml_table_4.exact(jnp.asarray(0.4), jnp.asarray(0.7))
    assert float(jax.grad(loss)(0.4)) == pytest.approx(float(wanted))


@pytest.mark.parametrize("identifier", ["amaml-table-4", "amaml-table-5"])
def test_what_is_published_stands_beside_ours(identifier):
    text = papers.result(identifier).markdown()
    assert "T = 0.5, ours | T = 0.5, paper" in text
    assert ("6.73e-07 ± 4.93e-07" if identifier.endswith("4") else "4.99e-04 ± 9.16e-05") in text
    assert "| Adjoint of order 4, 10 states |" in text


def test_a_column_is_laid_beside_the_published_one_of_its_name():
    columns = papers.published("amaml-table-1")["columns"]
    for experiment in (amaml_tables_1_2.TABLE_1, amaml_tables_1_2.TABLE_2):
        for preset in experiment.presets.values():
            assert {name.split(", ")[1] for name in preset().cells} <= set(columns)


def test_all_six_methods_take_the_steps_of_the_paper():
    made = methods(TINY, 200)
    assert tuple(made) == METHODS
    assert made["AMAML"].T == 2.0 and made["AMAML"].adjoint.num_states == 201
    taken = [made[n].num_steps for n in ("MAML", "MAML-1", "FOMAML", "Reptile", "IMAML")]
    assert taken == [20, 1, 200, 200, 200]


def test_a_method_is_trained_and_its_curve_followed(tmp_path, monkeypatch):
    monkeypatch.setattr(amaml_figure_2, "SETTINGS", {50: 20})
    found = amaml_figure_2._cell("MAML", "CosMixture", 50, TINY, tmp_path)
    assert found["steps"][0] == 0 and found["steps"][-1] == 20 and found["curve"][-1] > 0
    assert found["mean"] == found["curve"][-1] and found["ci95"] > 0
    again = amaml_figure_2._cell("MAML", "CosMixture", 50, TINY, tmp_path)  # from its checkpoint
    assert again == found
    key = jax.random.key(7)
    network = methods(TINY, 20)["MAML"].init(key)
    tasks = CosMixture(6, 9, standardized=True)
    curve = learning(network, tasks, key[None], 3)[0]
    support, query = tasks.sample(key)
    for error in curve:
        assert float(error) == pytest.approx(float(SQUARED.score(network(query[0]), query[1])))
        slope = jax.grad(lambda n: SQUARED(n, support))(network)
        network = jax.tree.map(lambda u, g: u - 0.01 * g, network, slope)


def test_ratings_are_predicted_in_units_of_their_deviation(tmp_path, monkeypatch):
    random = np.random.default_rng(0)
    table = random.integers(1, 6, (30, 100)).astype(np.float32)
    data = Dataset(table, tuple(map(str, range(30))))
    monkeypatch.setattr(amaml_tables_1_2, "load", lambda name, split: data)
    tiny = Protocol(inputs=100, widths=(4,), num_steps=2, batch_size=2)
    found = amaml_tables_1_2._cell("FOMAML", "movielens-100k", 10, 5, tiny, tmp_path)
    assert found["rating_deviation"] == pytest.approx(table.std(), rel=1e-3)
    assert found["mean"] == pytest.approx(1, abs=0.2)  # nothing can be known of noise
    assert len(found["per_task"]) == 30


def test_each_user_who_has_enough_ratings_is_tested_once():
    table = np.full((30, 100), np.nan, np.float32)
    table[4:, :12] = 3.0
    table[:, 0] = np.arange(30)  # the first four have no other rating
    tasks = Ratings(Dataset(table, tuple(map(str, range(30)))), 10, None)
    users = jax.vmap(tasks.user)(amaml_tables_1_2.each_once(tasks, jax.random.key(0)))
    assert sorted(users.tolist()) == [*range(4, 30)]


def test_claims_are_judged_where_there_are_numbers():
    cell = lambda mean: {"mean": mean, "ci95": 0.01, "curve": [1.0, mean]}
    column = amaml_figure_2.COLUMNS[0]
    cells = {f"{m}, {column}": cell(0.5) for m in METHODS} | {f"AMAML, {column}": cell(0.4)}
    verdicts = [found.verdict for found in amaml_figure_2.judge(cells)]
    assert verdicts == ["holds", "undecided", "does not hold"]  # level at the start
    name = "movielens-100k"
    columns = [amaml_tables_1_2._column(name, shots) for shots in (10, 20)]
    cells = {f"{m}, {c}": cell(0.9) for m in METHODS for c in columns}
    verdicts = [found.verdict for found in amaml_tables_1_2.TABLE_1.judge(cells)]
    assert verdicts == ["undecided", "undecided"]
