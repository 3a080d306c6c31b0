"""Reproductions: cell by cell, resumable, judged by intervals, laid beside what was published."""

import json
import os

import numpy as np
import pytest

from comlnviz import papers
from comlnviz.cli import main
from comlnviz.data import DataError, load
from comlnviz.models import MLP
from comlnviz.papers import Experiment, Preset, comln_table_2, run
from comlnviz.papers.few_shot import Protocol, methods, train
from comlnviz.papers.findings import above_all, below_none, paired, smaller_than_all
from comlnviz.training import TrainingError

EXPERIMENTS = pytest.mark.parametrize("identifier", papers.EXPERIMENTS)
STORED = pytest.mark.parametrize(
    ("identifier", "size"),
    [
        (name, size)
        for name, experiment in papers.EXPERIMENTS.items()
        for size in experiment.presets
        if (papers.results_folder() / f"{name}-{size}.json").is_file()
    ],
)
silent = lambda sentence: None


def cell(mean, ci=1.0):
    return {"mean": mean, "ci95": ci, "device": "cpu"}


def experiment(cells, protocol=None):
    preset = Preset((), "nothing", protocol or {"seed": 0}, cells)
    return Experiment("comln-figure-D", "t", "c", {"classroom": lambda: preset}, lambda cells: ())


def stored(path):
    return json.loads(path.read_text(encoding="utf-8"))


def test_an_interrupted_run_goes_on_where_it_was(tmp_path):
    computed = []

    def compute(name, scratch):
        if name == "b" and computed == ["a"]:
            computed.append("interrupt")
            raise KeyboardInterrupt
        computed.append(name)
        return {"mean": 1.0}

    cells = {name: lambda scratch, name=name: compute(name, scratch) for name in "abc"}
    with pytest.raises(KeyboardInterrupt):
        run(experiment(cells), "classroom", tmp_path, tmp_path, silent)
    half = stored(tmp_path / "comln-figure-D-classroom.json")
    assert list(half["cells"]) == ["a"] and not half["complete"]
    path = run(experiment(cells), "classroom", tmp_path, tmp_path, silent)
    assert computed == ["a", "interrupt", "b", "c"]
    assert list(stored(path)["cells"]) == ["a", "b", "c"] and stored(path)["complete"]
    kept = stored(path)["cells"]["a"]
    assert kept["device"] and kept["versions"]["jax"] and kept["seconds"] >= 0
    assert [p.name for p in tmp_path.iterdir()] == [path.name]  # nothing half-written


def test_some_cells_first_and_the_table_keeps_its_order(tmp_path):
    cells = {name: lambda scratch: {"mean": 1.0} for name in ("a, 1", "b, 1", "a, 2")}
    with pytest.raises(ValueError, match="no cell whose name contains 'c'; there are a, 1; b, 1"):
        run(experiment(cells), "classroom", tmp_path, tmp_path, silent, only="c")
    path = run(experiment(cells), "classroom", tmp_path, tmp_path, silent, only="b")
    assert list(stored(path)["cells"]) == ["b, 1"] and not stored(path)["complete"]
    run(experiment(cells), "classroom", tmp_path, tmp_path, silent)
    assert list(stored(path)["cells"]) == list(cells)


def test_results_of_another_protocol_are_set_aside(tmp_path):
    cells = {"a": lambda scratch: {"mean": 1.0}}
    path = run(experiment(cells), "classroom", tmp_path, tmp_path, silent)
    said = []
    run(experiment(cells, {"seed": 1}), "classroom", tmp_path, tmp_path, said.append)
    assert stored(path)["protocol"] == {"seed": 1}
    aside = path.with_suffix(".earlier.json")
    assert stored(aside)["protocol"] == {"seed": 0} and aside.name in said[-1]


def test_a_training_that_diverges_is_a_result(tmp_path):
    def diverge(scratch):
        raise TrainingError("not finite at step 3")

    cells = {"MAML, 1-shot": diverge, "ANIL, 1-shot": lambda scratch: cell(50.0)}
    path = run(experiment(cells), "classroom", tmp_path, tmp_path, silent)
    assert stored(path)["cells"]["MAML, 1-shot"]["failed"] == "not finite at step 3"
    table = papers.result("comln-figure-D", folder=tmp_path)
    assert "| MAML | diverged |" in table.markdown()


def test_claims_are_decided_by_intervals():
    cells = {"a": cell(50.0), "b": cell(47.0), "c": cell(49.0), "d": cell(53.0)}
    verdict = lambda judge, one, *others: judge("claim", cells, one, others).verdict
    assert verdict(above_all, "a", "b") == "holds"
    assert verdict(above_all, "a", "b", "c") == "undecided"
    assert verdict(above_all, "a", "b", "c", "d") == "does not hold"
    assert verdict(below_none, "a", "b", "c") == "holds"
    assert verdict(below_none, "a", "d") == "does not hold"
    assert verdict(above_all, "missing", "a") == "undecided"
    assert verdict(above_all, "a", "b", "missing") == "undecided"
    assert verdict(below_none, "a", "d", "missing") == "does not hold"
    cells["diverged"] = {"failed": "not finite"}
    assert verdict(above_all, "a", "b", "diverged") == "holds"
    assert "d 53.0" in above_all("claim", cells, "a", ["d"]).why
    cells["lost"] = cell(float("nan"))
    assert verdict(above_all, "lost", "b") == "undecided"
    assert verdict(above_all, "a", "b", "lost") == "holds"


def test_published_columns_are_found_by_name_and_never_by_place():
    columns = ["Omniglot 5-way 1-shot", "Omniglot 20-way 1-shot"]
    row = {"method": "a", "backbone": "b", "values": [[1.0, 0.1], [2.0, 0.1]]}
    record = {
        "cells": {"a, 20-way 1-shot": cell(50.0), "a, 20-way 5-shot": cell(60.0)},
        "published": {"columns": columns, "source": "s", "rows": [row]},
        "protocol": {}, "preset": "p", "complete": True, "title": "t", "identifier": "i",
    }  # fmt: skip
    table = papers.Result(record, ()).markdown()
    assert "2.00 ± 0.10" in table and "1.00 ± 0.10" not in table
    assert table.count("paper") == 1 and "20-way 5-shot, ours" in table


def test_tasks_that_two_cells_share_decide_what_their_intervals_do_not():
    hard = np.linspace(0.2, 0.9, 40)  # tasks differ by far more than methods
    of = lambda shares: {**cell(100 * shares.mean(), 6.0), "per_task": [*shares]}
    noise = 0.005 * np.cos(np.arange(40))
    cells = {"a": of(hard + 0.02 + noise), "b": of(hard), "c": of(hard + 0.02 - noise)}
    assert above_all("claim", cells, "a", ["b"]).verdict == "holds"
    assert "b 55.0 (on the same tasks -2.0 ± 0.1)" in above_all("claim", cells, "a", ["b"]).why
    assert above_all("claim", cells, "a", ["b", "c"]).verdict == "undecided"
    without = {name: {k: v for k, v in c.items() if k != "per_task"} for name, c in cells.items()}
    assert above_all("claim", without, "a", ["b"]).verdict == "undecided"
    errors = {n: {**c, "mean": c["mean"] / 100, "ci95": 0.06} for n, c in cells.items()}
    assert smaller_than_all("claim", errors, "b", ["a", "c"]).verdict == "holds"


def test_of_errors_the_smaller_is_better():
    cells = {"a": cell(0.5, 0.01), "b": cell(0.47, 0.01), "c": cell(0.48, 0.01), "d": cell(0.6)}
    verdict = lambda one, *others: smaller_than_all("claim", cells, one, others).verdict
    assert verdict("b", "a") == "holds"
    assert verdict("b", "a", "c") == "undecided"
    assert verdict("a", "b") == "does not hold"
    assert verdict("b", "missing") == "undecided"
    assert "below it: b 0.470" in smaller_than_all("claim", cells, "a", ["b"]).why
    record = {"cells": {f"{n}, x": c for n, c in cells.items()}, "published": None}
    record |= {"protocol": {}, "preset": "p", "complete": True, "title": "t", "identifier": "i"}
    table = papers.Result(record, (), ".3f", lower_is_better=True).markdown()
    assert "| b | **0.470 ± 0.010** |" in table and "| a | 0.500 ± 0.010 |" in table


def test_two_solvers_are_compared_task_by_task():
    rng = np.random.default_rng(0)
    tasks = rng.uniform(0.3, 0.9, 1000)
    as_cell = lambda values: {**cell(0.0, 0.5), "per_task": list(values)}
    noise = rng.normal(0, 0.01, 1000)
    judge = lambda shift: (
        paired("c", {"a": as_cell(tasks), "b": as_cell(tasks + noise + shift)}, "a", "b").verdict
    )
    assert [judge(0.0), judge(0.005), judge(0.02)] == ["holds", "undecided", "does not hold"]


@EXPERIMENTS
def test_every_experiment_says_what_it_takes(identifier):
    made = papers.EXPERIMENTS[identifier]
    assert made.identifier == identifier and made.title and made.claim.endswith(".")
    assert {"classroom", "paper"} <= set(made.presets)
    for make in made.presets.values():
        preset = make()
        assert preset.cost and preset.cells
        json.dumps(preset.protocol)
    assert all(found.verdict == "undecided" for found in made.judge({}))


@STORED
def test_what_is_stored_is_of_the_present_protocol_and_shows_itself(identifier, size):
    result = papers.result(identifier, size)
    preset = papers.EXPERIMENTS[identifier].presets[size]()
    assert result.record["protocol"] == json.loads(json.dumps(preset.protocol))
    assert result.cells and set(result.cells) <= set(preset.cells)
    assert result.record["complete"] == (set(result.cells) == set(preset.cells))
    assert ("Not complete" in result.markdown()) != result.record["complete"]
    assert result.record["published"] == papers.published(identifier)
    assert result.findings
    text = result.markdown()
    assert text.startswith(f"**{papers.EXPERIMENTS[identifier].title}** · `{identifier}`")
    assert all(found.claim in text for found in result.findings)
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in table}) <= 1


def test_published_values_are_the_papers():
    table = papers.published("comln-table-2")
    row = next(r for r in table["rows"] if (r["method"], r["backbone"]) == ("COMLN", "ResNet-12"))
    assert row["values"][1] == [77.26, 0.49]  # 5-way 5-shot miniImageNet
    assert papers.published("comln-table-9") is None


def test_a_wrong_name_is_answered_with_the_right_ones(tmp_path, capsys):
    with pytest.raises(ValueError, match="comln-table-2"):
        papers.result("comln-table-7")
    with pytest.raises(FileNotFoundError, match="comlnviz reproduce comln-table-2"):
        papers.result("comln-table-2", folder=tmp_path)
    with pytest.raises(
        ValueError, match=r"no preset 'papers' of comln-table-2: .* classroom, paper"
    ):
        papers.result("comln-table-2", "papers")
    assert main(["reproduce", "comln-table-7"]) == 2
    assert "comln-table-2" in capsys.readouterr().err
    assert main(["reproduce", "--list"]) == 0
    listed = capsys.readouterr().out
    assert "comln-figure-D" in listed and "omniglot-minimal" in listed


def test_a_cell_that_is_missing_is_computed_from_the_command_line(tmp_path, capsys):
    name = "amaml-table-4-classroom.json"
    theirs, missing = papers.result("amaml-table-4"), "Autodiff, 10 states, T = 2"
    cells = {cell: numbers for cell, numbers in theirs.cells.items() if cell != missing}
    record = {**theirs.record, "cells": cells, "complete": False}
    (tmp_path / name).write_text(json.dumps(record))
    assert main(["reproduce", "amaml-table-4", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert missing in said and "The adjoint's error is smaller" in said
    ours = stored(tmp_path / name)
    assert ours["complete"] and {c: ours["cells"][c] for c in cells} == cells
    assert ours["cells"][missing]["mean"] == pytest.approx(theirs.cells[missing]["mean"], rel=0.01)


@pytest.fixture
def quick():
    splits = {"validation": "test"}
    return Protocol(
        data="digits", encoder=MLP(64, (16,)), queries=3, num_steps=12, batch_size=2,
        optimizer="adam 0.01", selection_steps=4, validate_every=2, validation_tasks=5,
        test_queries=3, test_tasks=10,
        loaded=lambda split: load("digits", split=splits.get(split, split)),
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ANIL", "COMLN"])
def test_a_method_is_chosen_trained_and_judged(quick, tmp_path, name):
    numbers = comln_table_2._cell(name, 1, quick, tmp_path)
    assert 20 < numbers["mean"] <= 100 and numbers["ci95"] > 0
    assert 0 < numbers["best_validation_step"] <= quick.num_steps
    assert ("step_size" in numbers) == (name == "ANIL") and ("T" in numbers) == (name == "COMLN")
    again = comln_table_2._cell(name, 1, quick, tmp_path)  # from its checkpoints
    assert again == numbers


@pytest.mark.slow
def test_a_candidate_that_diverges_drops_out(quick, tmp_path):
    good = methods(quick.encoder)["ANIL"][1]
    bad = type(good)(quick.encoder, 5, float("nan"), 5)
    assert train((bad, good), quick, 1, tmp_path).chosen == 1
    with pytest.raises(TrainingError):
        train((bad, bad), quick, 1, tmp_path / "other")


def test_a_run_without_its_data_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("COMLNVIZ_DATA", os.fspath(tmp_path))
    monkeypatch.setenv("COMLNVIZ_CACHE", os.fspath(tmp_path))
    with pytest.raises(DataError, match="omniglot-minimal"):
        run(papers.EXPERIMENTS["comln-table-2"], "classroom", tmp_path, tmp_path, silent)
