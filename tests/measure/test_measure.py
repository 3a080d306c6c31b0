"""What a meta-gradient costs: that it is measured, and grows as the formulas say."""

import dataclasses
import json
import math
import os

import jax
import numpy as np
import pytest
from effort import often

from comlnviz.cli import main
from comlnviz.measure import (
    COS_MIXTURE,
    METHODS,
    Measurement,
    Problem,
    Solving,
    apart,
    curves,
    measure,
    measurement,
)
from comlnviz.measure.apart import Apart
from comlnviz.measure.curves import extrapolate, load, plan, slope, sweep
from comlnviz.measure.device import find_device

SMALL = Problem(ways=3, shots=2, queries=2, d=16)


@pytest.fixture(autouse=True)
def _as_a_user_runs_it():
    """In 32 bits and with NumPy's ranks: the measured code asks for its own precision."""
    with jax.enable_x64(False):
        yield


# One of a kind; the others differ by their adjoints, which have tests of their own.
KINDS = ("MAML", "FOMAML", "Reptile", "iMAML", "A-MAML", "ANIL", "COMLN, Gram")


@pytest.mark.parametrize("method", (KINDS, tuple(METHODS))[often(0, 1)])
def test_every_method_is_weighed_timed_and_finite(method):
    found = measure(method, 12, SMALL, repeats=2)
    assert found.status == "ok", found.why
    assert found.seconds > 0 and found.spread[0] <= found.seconds <= found.spread[1]
    assert found.temporary_bytes > 0 and found.argument_bytes > 0
    assert found.parameters >= 3 * 16
    if METHODS[method].steps:
        assert found.solver_steps == 12
    approximate = {"FOMAML": 0.1, "iMAML": 1.0}  # iMAML has not converged after 12 steps
    if method == "Reptile":
        assert found.error is None and "no gradient" in found.error_why
    else:
        assert found.error < approximate.get(method, 1e-4)
        assert (found.error > 1e-3) == (method in approximate)
    json.dumps(dataclasses.asdict(found))


def test_a_whole_network_learns_a_function():
    found = measure("MAML", 12, dataclasses.replace(COS_MIXTURE, shots=8, queries=8), repeats=1)
    assert found.status == "ok" and found.error < 1e-3
    assert found.parameters == 3 * 32 + 33 * 32 + 33


def test_a_function_has_no_last_layer_to_adapt_alone():
    with pytest.raises(ValueError, match="ANIL adapts a classifier's last layer, which cos-mix"):
        measure("ANIL", 1, COS_MIXTURE)
    with pytest.raises(ValueError, match="ways must be 1; got 5"):
        Problem("cos-mixture")


@pytest.mark.parametrize(
    "method", [m for m, how in METHODS.items() if how.exact and not m.startswith("MAML")]
)
def test_exact_methods_of_the_head_agree_on_the_gradient(method):
    """In 64 bits: flows among each other to the solver's tolerance, descents to rounding."""
    problem = dataclasses.replace(SMALL, dtype="float64")
    with jax.enable_x64(True):
        task = problem.task()

        def gradient(name):
            algorithm = METHODS[name].make(problem, 40)
            return algorithm.meta_grad(algorithm.init(jax.random.key(0)), task)[1].W0

        reference = gradient("ANIL" if METHODS[method].steps else "COMLN, forward")
        np.testing.assert_allclose(gradient(method), reference, rtol=1e-4, atol=1e-7)


def grows(method, values, name, *, length=10, **fixed):
    """The power of `name` with which the temporary memory grows, by compiling alone."""
    sizes = []
    for value in values:
        problem = SMALL if name == "length" else dataclasses.replace(SMALL, **{name: value})
        problem = dataclasses.replace(problem, **fixed)
        steps = value if name == "length" else length
        sizes.append(measure(method, steps, problem, repeats=0).temporary_bytes)
    return slope(values, sizes)


@pytest.mark.slow
@pytest.mark.parametrize(
    "method, power", [("MAML", 1), ("ANIL", 1), ("COMLN, forward", 0), ("COMLN, Gram", 0),
                      ("iMAML", 0), ("A-MAML", 0)]
)  # fmt: skip
def test_memory_grows_with_the_length_as_table_1_says(method, power):
    assert grows(method, (1000, 4000), "length") == pytest.approx(power, abs=0.05)


@pytest.mark.slow
def test_checkpoints_bring_the_growth_down_to_a_root():
    assert 0.3 < grows("MAML, every √n", (1000, 16_000), "length") < 0.6
    assert grows("MAML, recursive", (1000, 16_000), "length") < 0.25


@pytest.mark.slow
def test_memory_grows_with_the_square_of_the_features_when_they_are_carried_plainly():
    assert grows("naive forward sensitivity", (64, 128), "d") == pytest.approx(2, abs=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["COMLN, forward", "COMLN, Gram", "naive forward sensitivity"])
def test_memory_grows_with_the_classes_as_its_formula_says(method):
    """With as many examples; what each doubling adds, so that what has no N in it falls out."""
    problems = [Problem(ways=n, shots=48 // n, queries=2, d=24) for n in (4, 8, 16)]
    added = lambda sizes: (sizes[2] - sizes[1]) / (sizes[1] - sizes[0])
    measured = [measure(method, 10, p, repeats=0).temporary_bytes for p in problems]
    by_formula = [METHODS[method].numbers(p, 10, 0) for p in problems]
    assert added(measured) == pytest.approx(added(by_formula), rel=0.1)


@pytest.mark.slow
def test_JAX_keeps_less_of_a_linear_head_than_table_1_says():
    """The Hessian of a linear head depends on W through M·N logits; only those are kept a step."""
    assert grows("ANIL", (64, 128), "d", length=2000) == pytest.approx(0, abs=0.1)
    assert grows("ANIL", (10, 20), "shots", length=2000) == pytest.approx(1, abs=0.1)


@pytest.mark.slow
def test_sensitivities_grow_with_the_cube_of_the_examples_and_not_with_the_features():
    many = dict(ways=2, d=8)
    assert grows("COMLN, forward", (10, 20), "shots", **many) == pytest.approx(3, abs=0.3)
    assert grows("COMLN, Gram", (10, 20), "shots", **many) < 2.1  # the Gram matrix is M²
    # What grows with d are copies of the features, not their sensitivities.
    assert grows("COMLN, forward", (16, 64), "d", shots=10) < 0.3


def test_what_is_too_large_is_not_run_and_says_how_large():
    found = measure("ANIL", 100_000, SMALL, memory_limit=1e6)
    assert found.status == "out of memory" and found.seconds is None
    assert found.why.startswith("It needs 0.0") and "0.001 GB are allowed" in found.why


@pytest.mark.slow
def test_a_child_that_is_too_slow_is_out_of_time():
    found = Apart("ANIL", 10, SMALL, timeout=0.5).wait()
    assert found.status == "out of time" and "0.5 s" in found.why


@pytest.mark.slow
def test_a_sweep_stops_at_what_is_too_much_and_goes_on_where_it_was(tmp_path):
    said = []
    how = dict(memory_limit=100e3, timeout=100.0, repeats=1, say=said.append)
    course = plan([SMALL], ["ANIL"], (10, 1000, 10_000))
    path = sweep(tmp_path, course, **how)
    points = load(path)
    assert [(p.length, p.status) for p in points] == [(10, "ok"), (1000, "out of memory")]
    said.clear()
    sweep(tmp_path, course, **how)
    assert load(path) == points and not any("10 steps" in line for line in said)
    sweep(tmp_path, plan([SMALL], ["ANIL"], [10]), **how, again=True)
    once_more = load(path)
    assert len(once_more) == 2 and once_more[1] == points[1] and once_more[0] != points[0]
    assert json.loads(path.read_text())["device"]


@pytest.mark.slow
def test_many_are_compiled_at_once_and_computed_one_after_another(tmp_path, monkeypatch):
    together, at_once, beside = [], [], []

    class Watched(Apart):
        def __init__(self, *args, **how):
            super().__init__(*args, **how)
            alive.append(self)

        def poll(self):
            together.append(sum(a._child.poll() is None for a in alive))
            running = [a for a in alive if a.running]
            at_once.append(len(running))
            beside.extend(not a._paused for a in alive if running and a._child.poll() is None)
            return super().poll()

    alive = []
    monkeypatch.setattr(curves, "Apart", Watched)
    courses = plan([SMALL, dataclasses.replace(SMALL, shots=1)], ["ANIL", "FOMAML"], [3])
    how = dict(memory_limit=1e9, timeout=100.0, repeats=1, say=lambda _: None)
    path = sweep(tmp_path, courses, jobs=4, **how)
    assert [p.status for p in load(path)] == ["ok"] * 4
    assert max(together) == 4 and max(at_once) == 1
    assert sum(beside) <= len(at_once)  # the one that runs


class Child(Apart):
    """Stands in for a measurement: `answer(length, repeats)` at once."""

    waiting = running = False

    def __init__(self, method, length, problem, *, repeats, **how):
        self.found = self.answer(method, length, problem, repeats)

    def poll(self):
        return self.found

    def pause(self, paused):
        pass

    def cancel(self):
        pass


def test_what_takes_too_long_is_weighed_all_the_same(tmp_path, monkeypatch):
    asked = []

    class Heavy(Child):
        def answer(self, method, length, problem, repeats):
            asked.append((length, repeats))
            fields = dict(temporary_bytes=8 * length, status="ok", repeats=repeats)
            if length >= 10_000:
                fields["status"] = "out of memory"
            elif length >= 100 and repeats:
                fields["status"] = "out of time"
            return Measurement(method, length, dataclasses.asdict(problem), **fields)

    monkeypatch.setattr(curves, "Apart", Heavy)
    how = dict(memory_limit=1e9, timeout=1.0, say=lambda _: None)
    expected = [(1, 5), (100, 5), (1000, 0), (10_000, 0)]
    courses = plan([SMALL], ["ANIL"], (1, 100, 1000, 10_000, 100_000))
    path = sweep(tmp_path, courses, **how)
    assert asked == expected
    assert [p.status for p in load(path)] == ["ok", "out of time", "ok", "out of memory"]
    sweep(tmp_path, courses, **how)
    assert asked == expected  # and once is enough


def test_one_that_fails_does_not_stop_the_others(tmp_path, monkeypatch):
    class Frail(Child):
        def answer(self, method, length, problem, repeats):
            return Measurement(method, length, dataclasses.asdict(problem))

        def poll(self):
            if self.found.method == "MAML":
                raise RuntimeError("Measuring MAML failed.")
            return self.found

    monkeypatch.setattr(curves, "Apart", Frail)
    how = dict(memory_limit=1e9, timeout=1.0, say=lambda _: None)
    with pytest.raises(RuntimeError, match="Measuring MAML failed"):
        sweep(tmp_path, plan([SMALL], ["MAML", "ANIL"], [1, 10]), **how)
    (path,) = tmp_path.glob("*.json")
    assert [(p.method, p.length) for p in load(path)] == [("ANIL", 1), ("ANIL", 10)]
    with pytest.raises(ValueError, match="jobs must be at least 1; got 0"):
        sweep(tmp_path, [], jobs=0, **how)


@pytest.mark.slow
def test_a_sweep_from_the_command_line(tmp_path, capsys):
    words = ["bench", "curves", "--methods", "COMLN, Gram", "--longest", "1", "--d", "8"]
    assert main([*words, "--repeats", "1", "--out", str(tmp_path)]) == 0
    (point,) = load(next(tmp_path.glob("*.json")))
    assert (point.method, point.length, point.status) == ("COMLN, Gram", 1, "ok")
    assert main([*words, "--shots", "0"]) == 2
    assert main(["bench", "curves", "--methods", "MAMMAL"]) == 2
    assert main([*words, "--device", "abacus"]) == 2
    assert main([*words, "--longest", "0"]) == 2
    assert main([*words, "--solver", "abacus"]) == 2
    assert main([*words, "--tolerance", "-1"]) == 2
    said = capsys.readouterr().err
    assert "shots must be at least 1; got 0" in said and "no method 'MAMMAL'" in said
    assert "no device 'abacus'" in said and "from 1 on; got []" in said
    assert "no solver 'abacus'" in said and "tolerance must be positive; got -1" in said


def test_ctrl_c_keeps_what_is_measured(tmp_path, monkeypatch, capsys):
    class Stops(Child):
        def answer(self, method, length, problem, repeats):
            if length > 1:
                raise KeyboardInterrupt
            return Measurement(method, length, dataclasses.asdict(problem))

    monkeypatch.setattr(curves, "Apart", Stops)
    words = ["bench", "curves", "--methods", "ANIL", "--d", "8", "--out", str(tmp_path)]
    assert main(words) == 130
    assert "the same command goes on from here" in capsys.readouterr().out
    assert [p.length for p in load(next(tmp_path.glob("*.json")))] == [1]


def test_a_compiler_that_gives_up_is_a_point():
    """Thirty-eight thousand million numbers in one array overflow the counts of XLA."""
    found = Apart("naive forward sensitivity", 1, Problem(shots=5, d=16_000), repeats=0).wait()
    assert found.status in ("failed", "out of memory") and found.seconds is None
    assert found.why


def test_what_there_is_not_is_a_sentence():
    with pytest.raises(ValueError, match="no method 'MAMMAL': choose from MAML"):
        measure("MAMMAL", 1, SMALL)
    with pytest.raises(ValueError, match="length must be at least 1; got 0"):
        measure("MAML", 0, SMALL)
    with pytest.raises(ValueError, match="choose from features, conv-4, resnet-12"):
        Problem(backbone="vgg")
    with pytest.raises(ValueError, match="shots must be at least 1; got 0"):
        Problem(shots=0)
    with pytest.raises(ValueError, match="no solver 'Kvaerno5' here: choose from Dopri5, Tsit5"):
        Solving("Kvaerno5")
    with pytest.raises(ValueError, match="tolerance must be positive; got 0"):
        Solving(tolerance=0.0)
    with pytest.raises(ValueError, match="MAML takes gradient steps: no solver or tolerance"):
        measure("MAML", 1, SMALL, solving=Solving("Tsit5"))
    with pytest.raises(ValueError, match=r"conv-4 makes features of a size of its own.*got 640"):
        Problem("conv-4", d=640)
    assert Problem("conv-4").with_features_of(640) == Problem("conv-4")
    assert Problem(shots=5).with_features_of(640) == Problem(shots=5, d=640)


def test_a_gradient_that_is_not_finite_has_no_error_but_a_reason(monkeypatch):
    monkeypatch.setattr(measurement, "relative_error", lambda *_: float("nan"))
    found = measure("ANIL", 2, SMALL, repeats=1)
    assert found.error is None and found.error_why == "The meta-gradient is not finite."


def test_the_error_is_that_of_the_precision_and_of_the_tolerance():
    """In 64 bits a descent is its reference; a flow is so to its solver's tolerance."""
    problem = dataclasses.replace(SMALL, dtype="float64")
    assert measure("ANIL", 40, problem, repeats=1).error < 1e-13
    assert measure("COMLN, Gram", 40, problem, repeats=1).error < 1e-5
    assert 1e-9 < measure("ANIL", 40, SMALL, repeats=1).error < 1e-5


def test_a_flow_is_solved_as_chosen():
    problem = dataclasses.replace(SMALL, dtype="float64")
    how = lambda **solving: measure(
        "COMLN, Gram", 400, problem, solving=Solving(**solving), repeats=1
    )
    own, loose, tight = how(), how(tolerance=1e-3), how(tolerance=1e-9)
    assert tight.error < own.error / 100 < loose.error / 10_000
    assert loose.solver_steps < own.solver_steps < tight.solver_steps
    heun = how(solver="Heun")
    assert (heun.solver, heun.tolerance) == ("Heun", None)
    assert heun.solver_steps > own.solver_steps and heun.error < 1e-4
    assert loose.solving == Solving(tolerance=1e-3) and own.solving == Solving()


def test_what_a_method_has_anyhow_is_no_choice():
    own = METHODS["COMLN, Gram"].solving
    assert own(Solving("Dopri5", 1e-6)) == Solving()
    assert own(Solving("Tsit5", 1e-6)) == Solving("Tsit5")
    assert own(Solving("Dopri5", 1e-4)) == Solving(tolerance=1e-4)
    assert METHODS["A-MAML"].solving(Solving(tolerance=1e-4)) == Solving()
    assert METHODS["MAML"].solving(Solving("Tsit5", 1e-4)) == Solving()


@pytest.mark.parametrize("method", [name for name, method in METHODS.items() if method.tolerance])
def test_a_method_with_a_tolerance_of_its_own_has_that_one(method):
    algorithm = METHODS[method].make(SMALL, 10)
    assert algorithm.rtol == algorithm.atol == METHODS[method].tolerance
    assert algorithm.solver == "dopri5" and not METHODS[method].steps


def test_curves_solved_in_two_ways_lie_beside_each_other(tmp_path, monkeypatch):
    asked = []

    class Quick(Child):
        def __init__(self, method, length, problem, *, solving, **how):
            asked.append((method, length, solving))
            self.found = Measurement(
                method, length, dataclasses.asdict(problem), **dataclasses.asdict(solving)
            )

    monkeypatch.setattr(curves, "Apart", Quick)
    how = dict(memory_limit=1e9, timeout=1.0, say=lambda _: None)
    for tolerance in (None, 1e-6, 1e-3, 1e-3):
        courses = plan([SMALL], ["ANIL", "COMLN, Gram"], [1, 10], Solving(tolerance=tolerance))
        path = sweep(tmp_path, courses, **how)
    loose = Solving(tolerance=1e-3)
    both = [("ANIL", Solving()), ("COMLN, Gram", Solving()), ("COMLN, Gram", loose)]
    assert asked == [(method, n, solving) for method, solving in both for n in (1, 10)]
    assert [point.solving for point in load(path)] == [s for _, s in both for _ in range(2)]


def test_iMAML_comes_to_the_truth_as_its_descent_converges():
    short, long = (measure("iMAML", n, SMALL, repeats=1).error for n in (20, 2000))
    assert short > 0.05 and long < 1e-4


def points(method, lengths, **fields):
    """Measurements as a sweep would find them, each field a function of the length."""
    common = dict(method=method, problem=dataclasses.asdict(SMALL), parameters=51)
    make = lambda n: {name: value(n) for name, value in fields.items()}
    return [Measurement(length=n, **common, **make(n)) for n in lengths]


def test_an_extrapolation_goes_on_with_the_method_s_formula():
    found = points("ANIL", (10, 100, 1000), temporary_bytes=lambda n: 5000 + 24 * n)
    beyond = extrapolate(found, "temporary_bytes", (10, 100, 1000, 10_000, 10**8))
    assert beyond.lengths == (1000, 10_000, 10**8)
    np.testing.assert_allclose(beyond.values, [29_000, 245_000, 5000 + 24e8])
    root = points("MAML, every √n", (100, 10_000), temporary_bytes=lambda n: 7 + 4 * math.isqrt(n))
    assert extrapolate(root, "temporary_bytes", (10**6,)).values[-1] == pytest.approx(4007)
    # What is constant by the formula stays, whatever small differences compilation makes.
    flat = points("iMAML", (10, 100), temporary_bytes=lambda n: 9000 + n)
    assert set(extrapolate(flat, "temporary_bytes", (10**8,)).values) == {9100.0}


def test_what_cannot_be_extrapolated_is_not():
    flow = points("COMLN, Gram", (10, 100), seconds=lambda n: 0.001 * n)
    assert extrapolate(flow, "seconds") is None  # its solver chooses the steps
    steps = points("ANIL", (10, 100), seconds=lambda n: 0.001 * n)
    assert extrapolate(steps, "seconds", (1000,)).values[-1] == pytest.approx(1.0)
    assert extrapolate(steps[:1], "seconds") is None and extrapolate(steps, "seconds", ()) is None
    with pytest.raises(ValueError, match="no formula for 'error'"):
        extrapolate(steps, "error")


def test_an_extrapolation_foretells_what_is_then_measured():
    weigh = lambda n: measure("ANIL", n, SMALL, repeats=0)
    beyond = extrapolate([weigh(100), weigh(1000)], "temporary_bytes", (50_000,))
    assert weigh(50_000).temporary_bytes == pytest.approx(beyond.values[-1], rel=0.05)


@pytest.mark.slow
def test_a_measurement_under_way_says_where_it_is_and_can_be_cancelled():
    running = Apart("ANIL", 10, SMALL, repeats=1)
    assert running.stage == "starting" and running.poll() is None
    running.cancel()
    with pytest.raises(RuntimeError, match="was cancelled"):
        running.poll()


@pytest.mark.skipif(os.name != "posix", reason="the child is a shell script")
def test_however_often_one_looks_every_line_arrives(tmp_path, monkeypatch):
    script = tmp_path / "child"
    script.write_text(
        '#!/bin/sh\nfor i in $(seq 4000); do echo \'{"stage": "compiling", "found": null}\'; done\n'
    )
    script.chmod(0o755)
    monkeypatch.setattr(apart.sys, "executable", str(script))
    running = Apart("ANIL", 10, SMALL)
    while running._child.poll() is None:
        assert running.stage in ("starting", "compiling")
    assert len(running._lines()) == 4000
    running.cancel()


def test_a_device_that_is_not_there_is_a_sentence():
    assert find_device("cpu").platform == "cpu"
    with pytest.raises(ValueError, match="no device 'abacus': choose from cpu, gpu"):
        measure("ANIL", 1, SMALL, device="abacus")
    if jax.devices()[0].platform == "cpu":
        with pytest.raises(ValueError, match="sees no gpu here; it sees cpu"):
            find_device("gpu")
