"""Sweeps: whatever is killed, nothing is lost and nothing that ended is done again."""

import concurrent.futures as cf
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import cloudpickle
import pytest

from comlnviz import papers, reproduce
from comlnviz.cli import main
from comlnviz.data import DataError
from comlnviz.papers import Experiment, Finding, Preset, Table, Watch, pool_of, sweep
from comlnviz.papers.pool import HERE, Pool
from comlnviz.papers.table import perform

ROOT = Path(__file__).parents[2]


def table(out, cells, identifier="toy", judge=lambda cells: (), **preset):
    made = Preset((), "nothing", {"seed": 0}, cells, **preset)
    return Table(
        Experiment(identifier, "t", "c", {"classroom": lambda: made}, judge), "classroom", out
    )


def stored(toy):
    return json.loads(toy.path.read_text(encoding="utf-8"))


@pytest.mark.slow
def test_workers_killed_at_random_lose_nothing_and_repeat_nothing_that_ended(tmp_path):
    log, chance, kills = tmp_path / "log", random.Random(0), 2
    log.mkdir()

    def compute(name, scratch):
        token = f"{os.getpid()} {time.monotonic_ns()}"
        with (log / name).open("a") as file:
            file.write(f"{token}\n")
        time.sleep(1.0)
        return {"mean": 1.0, "token": token}

    begun = lambda name: (log / name).read_text().split("\n")[:-1]
    toy = table(tmp_path, {n: lambda scratch, n=n: compute(n, scratch) for n in "abcdefgh"})
    killed, ended = [], threading.Event()

    def kill():
        while len(killed) < kills and not ended.wait(0.02):
            at_work = [f.name for f in log.iterdir() if not toy.job(f.name, tmp_path).file.exists()]
            # A file may be there whose first line is not.
            tokens = [lines[-1].split() for name in at_work if (lines := begun(name))]
            newest = max(tokens, key=lambda token: int(token[1]), default=None)
            if newest and newest[0] not in killed:
                time.sleep(chance.uniform(0, 0.6))
                os.kill(int(newest[0]), signal.SIGKILL)
                killed.append(newest[0])

    killer = threading.Thread(target=kill)
    with pool_of(workers=2) as pool:
        killer.start()
        try:
            failures = sweep([toy], tmp_path, pool, Watch())
        finally:
            ended.set()
            killer.join()
    assert not failures and len(killed) == kills
    record = stored(toy)
    assert list(record["cells"]) == list("abcdefgh") and record["complete"]
    starts = {name: begun(name) for name in record["cells"]}
    # What is kept is of the last time that a cell began: none began again after it had ended.
    assert {n: cell["token"] for n, cell in record["cells"].items()} == {
        name: found[-1] for name, found in starts.items()
    }
    repeated = sum(len(found) - 1 for found in starts.values())
    assert repeated == kills, "each blow cost the cell that was under way, and no other"
    assert not (tmp_path / ".cells").exists()


CHILD = """
import os, signal, sys
from pathlib import Path
from comlnviz.papers import Experiment, Preset, Table, Watch, sweep
from comlnviz.papers.pool import HERE
out = Path(sys.argv[1])
def die(scratch):
    os.kill(os.getpid(), signal.SIGKILL)
cells = {"a": lambda scratch: {"mean": 1.0}, "b": die, "c": die}
preset = Preset((), "nothing", {"seed": 0}, cells)
experiment = Experiment("toy", "t", "c", {"classroom": lambda: preset}, lambda cells: ())
sweep([Table(experiment, "classroom", out)], out, HERE, Watch())
"""


@pytest.mark.slow
def test_a_sweep_that_is_killed_goes_on(tmp_path):
    dead = subprocess.run([sys.executable, "-c", CHILD, str(tmp_path)], cwd=ROOT)
    assert dead.returncode == -signal.SIGKILL
    computed = []
    toy = table(tmp_path, {n: lambda s, n=n: computed.append(n) or {"mean": 2.0} for n in "abc"})
    assert sweep([toy], tmp_path, HERE, Watch()) == ()
    assert computed == ["b", "c"]
    assert [cell["mean"] for cell in stored(toy)["cells"].values()] == [1.0, 2.0, 2.0]


def test_a_cell_that_ended_unseen_is_taken_into_the_table(tmp_path):
    computed = []
    toy = table(tmp_path, {n: lambda s, n=n: computed.append(n) or {"mean": 2.0} for n in "ab"})
    perform(toy.job("a", tmp_path))  # and then everything is killed
    perform(toy.job("a", tmp_path))
    assert computed == ["a"] and not toy.path.exists()
    sweep([toy], tmp_path, HERE, Watch(), only="b")
    assert computed == ["a", "b"] and stored(toy)["complete"]
    assert [p.name for p in tmp_path.iterdir()] == [toy.path.name]


def test_the_file_of_a_cell_is_that_of_its_settings(tmp_path):
    files = [
        table(tmp_path, {"a": dict, "b": dict}, identifier).job(cell, scratch).file
        for identifier in ("toy", "other")
        for cell in "ab"
        for scratch in (tmp_path, tmp_path / "elsewhere")
    ]
    assert len(set(files)) == 4
    toy = table(tmp_path, {"a": dict})
    toy.preset.protocol["seed"] = 1
    assert toy.job("a", tmp_path).file not in files


class Recorder(cf.Executor):
    """Takes jobs and does the newest first."""

    def __init__(self):
        self.taken = []

    def submit(self, function, job):
        self.taken.append(job.cell)
        future = cf.Future()
        threading.Timer(0.1 / len(self.taken), lambda: future.set_result(function(job))).start()
        return future


def test_who_takes_up_anothers_training_waits_for_it(tmp_path):
    cells = {name: lambda scratch: {"mean": 1.0} for name in "abc"}
    late = table(tmp_path, cells, "late", after={"a": (("early", "b"),), "b": (("late", "c"),)})
    early = table(tmp_path, cells, "early")
    executor = Recorder()
    assert not sweep([late, early], tmp_path, Pool(executor, 10), Watch())
    assert executor.taken[:4] == ["c", "a", "b", "c"]  # of late, and all of early
    assert sorted(executor.taken[4:]) == ["a", "b"]


def test_a_cell_that_fails_holds_up_no_other_and_is_named(tmp_path):
    def fail(scratch):
        raise RuntimeError("no luck")

    cells = {"a": fail, "b": lambda scratch: {"mean": 1.0}}
    toy = table(tmp_path, cells, after={"b": (("toy", "a"),)})
    (failure,) = sweep([toy], tmp_path, HERE, Watch())
    assert str(failure.job) == "toy, classroom: a" and str(failure.error) == "no luck"
    assert list(stored(toy)["cells"]) == ["b"]


def test_cells_without_their_data_are_left_out(tmp_path, monkeypatch):
    monkeypatch.setenv("COMLNVIZ_DATA", os.fspath(tmp_path))
    monkeypatch.setenv("COMLNVIZ_CACHE", os.fspath(tmp_path))
    without = Table(papers.EXPERIMENTS["comln-table-2"], "classroom", tmp_path)
    failures = sweep([without], tmp_path, HERE, Watch())
    assert {failure.job.cell for failure in failures} == set(without.preset.cells)
    assert all(isinstance(failure.error, DataError) for failure in failures)


@pytest.mark.parametrize("content, says", [
    ('{"format": 2, "cells": {}}', "in format 2, of another version of comlnviz"),
    ("{", "cannot be read as results"),
    ("[1]", "in format None"),
    ('{"cells": {}}', "no results of comlnviz, for want of claim"),
])  # fmt: skip
def test_a_file_of_another_version_is_refused_and_stays(tmp_path, content, says):
    computed = []
    first = table(tmp_path, {"a": lambda s: computed.append("a") or {}}, "first")
    toy = table(tmp_path, {"a": lambda s: computed.append("a") or {}})
    toy.path.write_text(content)
    with pytest.raises(
        ValueError, match=f"{toy.path.name}.*{says}.* move it away, or name another"
    ):
        sweep([first, toy], tmp_path, HERE, Watch())
    assert not computed and toy.path.read_text() == content
    assert [p.name for p in tmp_path.iterdir()] == [toy.path.name]


def test_results_set_aside_do_not_replace_each_other(tmp_path):
    for seed in range(3):
        toy = table(tmp_path, {"a": lambda scratch: {"mean": 1.0}})
        toy.preset.protocol["seed"] = seed
        sweep([toy], tmp_path, HERE, Watch())
    names = {json.loads(p.read_text())["protocol"]["seed"]: p.name for p in tmp_path.iterdir()}
    start = "toy-classroom"
    assert names == {
        0: f"{start}.earlier.json", 1: f"{start}.earlier-2.json", 2: f"{start}.json",
    }  # fmt: skip


def test_every_cell_can_be_sent_to_another_process():
    for experiment in papers.EXPERIMENTS.values():
        for name in experiment.presets:
            made = Table(experiment, name, Path("results"))
            for cell in made.preset.cells:
                job = made.job(cell, Path("scratch"))
                sent = cloudpickle.loads(cloudpickle.dumps(job))
                assert (sent.cell, sent.file) == (job.cell, job.file) and callable(sent.compute)
            known = {(experiment.identifier, cell) for cell in made.preset.cells}
            for cell, before in made.preset.after.items():
                assert cell in made.preset.cells
                for identifier, other in before:
                    assert other in papers.EXPERIMENTS[identifier].presets[name]().cells
                    assert (identifier, other) in known or identifier != experiment.identifier


def test_a_cluster_computes_for_who_names_its_scheduler(tmp_path):
    import distributed

    quiet = dict(processes=False, protocol="tcp", dashboard_address="127.0.0.1:0", silence_logs=50)
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, **quiet) as cluster:
        with pool_of(scheduler=cluster.scheduler_address) as pool:
            toy = table(tmp_path, {n: lambda scratch: {"mean": 1.0} for n in "ab"})
            assert not sweep([toy], tmp_path, pool, Watch())
            assert stored(toy)["complete"]


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nonsense://there"])
def test_a_scheduler_that_is_not_there_is_said_soon(address, tmp_path, capsys):
    began = time.monotonic()
    with pytest.raises(ValueError, match=f"no scheduler of Dask answers at {address}.*dask sched"):
        with pool_of(scheduler=address, patience=0.5):
            pass
    assert time.monotonic() - began < 10


def test_a_cell_that_is_not_there_is_told_briefly(tmp_path, capsys):
    assert main(["reproduce", "comln-figure-D", "--only", "up", "--out", str(tmp_path)]) == 2
    assert (
        "no cell whose name contains 'up'; there are forward; backward." in capsys.readouterr().err
    )
    assert main(["reproduce", "--all", "--only", "nothing", "--out", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "name one to see its cells" in said and len(said) < 200


def test_fewer_workers_than_one_are_refused(tmp_path, capsys):
    assert main(["reproduce", "--all", "--workers", "0", "--out", str(tmp_path)]) == 2
    assert "workers must be at least 1; got 0" in capsys.readouterr().err


def test_the_estimate_adds_up_what_is_known_and_names_what_is_not(tmp_path):
    known = Table(papers.EXPERIMENTS["comln-table-5"], "classroom", tmp_path)
    unknown = Table(papers.EXPERIMENTS["comln-table-5"], "paper", tmp_path)
    jobs = [t.job(cell, tmp_path) for t in (known, unknown) for cell in [*t.preset.cells][:3]]
    cells = papers.result("comln-table-5").cells
    seconds = [cells[job.cell]["seconds"] for job in jobs[:3]]
    first, second, third = reproduce.estimate(jobs, 2)
    assert first == "6 cells are to be computed."
    assert f"3 of them took {reproduce.duration(sum(seconds))} in all" in second
    least = max(max(seconds), sum(seconds) / 2)
    assert f"2 workers need at least {reproduce.duration(least)}" in second
    assert third == "How long the others take is not known: 3 of comln-table-5."
    assert reproduce.estimate([], 2) == ["Nothing is left to compute."]
    assert [reproduce.duration(s) for s in (89, 91, 5399, 5401)] == [
        "89 s",
        "2 min",
        "90 min",
        "1.5 h",
    ]


def test_all_tables_end_with_what_holds_and_what_does_not(tmp_path, capsys, monkeypatch):
    verdicts = ("holds", "does not hold", "undecided")
    judge = lambda cells: tuple(Finding(f"Claim {v}.", v, "so") for v in verdicts)
    one = {"a, 1": lambda scratch: {"mean": 1.0, "ci95": 0.5}}

    def fail(scratch):
        raise RuntimeError("no luck")

    toys = {
        "toy": table(tmp_path, one, judge=judge).experiment,
        "broken": table(tmp_path, {"a, 2": fail}, "broken").experiment,
        "comln-table-2": papers.EXPERIMENTS["comln-table-2"],
    }
    monkeypatch.setattr(papers, "EXPERIMENTS", toys)
    for module in (papers, reproduce):
        monkeypatch.setattr(module, "EXPERIMENTS", toys)
    monkeypatch.setenv("COMLNVIZ_DATA", os.fspath(tmp_path))
    monkeypatch.setenv("COMLNVIZ_CACHE", os.fspath(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    command = ["reproduce", "--all", "--workers", "1", "--out", str(tmp_path)]
    assert main(command) == 2
    said = capsys.readouterr().out
    assert "toy, classroom: a, 1: 1.00 ± 0.50" in said
    assert "Failed: broken, classroom: a, 2: RuntimeError: no luck" in said
    assert "Skipped 28 cells of comln-table-2: omniglot-minimal is not on this computer" in said
    assert all(f"Claim {verdict}." in said for verdict in verdicts)
    end = "Of 3 claims: 1 holds, 1 does not hold, 1 undecided. No numbers of broken, comln-table-2."
    assert end in said
    assert main([*command, "--only", ", 1"]) == 0
    assert "Nothing is left to compute." in capsys.readouterr().out
    assert main([*command, "--only", "zebra"]) == 2
    assert "no cell whose name contains 'zebra'" in capsys.readouterr().err
    assert main(["reproduce", "toy", "--all"]) == 2
    assert "give either toy or --all" in capsys.readouterr().err


def test_what_the_sweep_extra_brings_is_named_where_it_is_absent(monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["reproduce", "--all"]) == 2
    assert 'pip install "comlnviz[sweep]"' in capsys.readouterr().err
    with pytest.raises(ValueError, match="comlnviz\\[sweep\\]"), pool_of(workers=2):
        pass
