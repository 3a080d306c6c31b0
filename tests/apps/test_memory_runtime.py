"""MemoryRuntime: curves that are read, a limit that is met, and points measured on demand."""

import asyncio
import dataclasses
from typing import ClassVar

import pytest

from comlnviz.apps import MemoryRuntime, memory_runtime
from comlnviz.measure import Measurement, Problem, Solving


class Child:
    """A measurement that needs two looks; what it answers can be set."""

    made: ClassVar[list["Child"]] = []
    answer: Measurement | Exception | None = None

    def __init__(self, method, length, problem, *, solving, **how):
        self.looks, self.cancelled, self.stage, self.seconds = 0, False, "running", 1.5
        self.found = Measurement(
            method, length, dataclasses.asdict(problem), seconds=0.002, temporary_bytes=4_000,
            error=1e-6, parameters=100, **dataclasses.asdict(solving),
        )  # fmt: skip
        Child.made.append(self)

    def poll(self):
        self.looks += 1
        if isinstance(Child.answer, Exception):
            raise Child.answer
        return (Child.answer or self.found) if self.looks > 2 else None

    def wait(self):
        self.looks = 99
        return self.poll()

    def cancel(self):
        self.cancelled = True


@pytest.fixture
def app(monkeypatch):
    monkeypatch.setattr(memory_runtime, "Apart", Child)
    monkeypatch.setattr(memory_runtime, "_GLANCE", 0.01)
    monkeypatch.setattr(Child, "made", [])
    monkeypatch.setattr(Child, "answer", None)
    app = MemoryRuntime(methods=("ANIL",), method="COMLN, Gram", d=64, T=0.1)
    yield app
    app.close()


def test_what_is_not_measured_is_said_and_formulas_stay(app):
    assert "Nothing is measured for N = 5, 5 shots and d = 64" in app.message.value
    assert len(app._picture.lines["temporary_bytes", "ANIL", "formula"].get_xdata())


def test_a_point_measured_here_is_shown_with_its_device(app):
    app.measure_here()
    assert "COMLN, Gram: running, 2 s" in app._message.value
    assert app._work.layout.visibility == "visible"
    found = app.finish()
    assert app._message.value == "COMLN, Gram at 10 steps, here: 2 ms, 4 kB, error 1.0e-06."
    assert app._work.layout.visibility == "hidden"
    (curve,) = app._record.curves
    assert curve.device == "here" and curve.points == (found,)
    assert "Measured: here." in app._picture.readout.get_text()
    assert app.finish() is None


def test_a_chosen_solver_and_tolerance_are_measured_and_said(app):
    app.measure_here()
    app.finish()
    app.controls["methods"].value = ("ANIL", "COMLN, Gram")
    app.controls["tolerance"].value = "1e-6"  # which is its own
    app._updates.flush()
    assert app.message.value == ""
    app.controls["solver"].value, app.controls["tolerance"].value = "Tsit5", "1e-8"
    app._updates.flush()
    assert app.message.value == (
        "⚠ Not measured with Tsit5, tolerance 1e-08: COMLN, Gram. Drawn is what "
        "each has of its own; measure a point here."
    )
    app.measure_here()
    found = app.finish()
    assert found.solving == Solving("Tsit5", 1e-8)
    said = "COMLN, Gram at 10 steps, Tsit5, tolerance 1e-08, here: 2 ms, 4 kB, error 1.0e-06."
    assert app.message.value == said
    assert [curve.points for curve in app._record.curves] == [(found,)]
    app.controls["method"].value = "ANIL"  # which takes gradient steps
    app.measure_here()
    assert app.finish().solving == Solving()
    app.controls["solver"].value, app.controls["tolerance"].value = "Dopri5", "its own"
    app._updates.flush()
    assert all(curve.solving == Solving() for curve in app._record.curves)
    assert len(app._record.curves) == 2


def test_what_another_device_has_measured_so_is_not_said_of_the_one_that_is_read(monkeypatch):
    problem = dataclasses.asdict(Problem(shots=5))
    own = Measurement("COMLN, Gram", 10, problem, seconds=0.1, temporary_bytes=9, error=1e-3)
    loose = dataclasses.replace(own, tolerance=1e-3)
    monkeypatch.setattr(memory_runtime.curves, "stored", lambda: {"a": (own, loose), "b": (own,)})
    app = MemoryRuntime(methods=("COMLN, Gram",), tolerance="1e-3", T=0.1)
    says = lambda: (app.message.value, app._picture.readout.get_text())
    message, caption = says()
    assert not message and caption.endswith("Measured: a, with Dopri5, tolerance 1e-03; hollow: b.")
    app.controls["device"].value = "b"
    message, caption = says()
    assert "Not measured with Dopri5, tolerance 1e-03: COMLN, Gram." in message
    assert caption.endswith("Measured: b; hollow: a.")
    app.close()


def test_it_arrives_by_itself_where_an_event_loop_runs(app):
    async def page():
        app.measure_here()
        for _ in range(100):
            await asyncio.sleep(0.01)
            if app._running is None:
                return

    asyncio.run(page())
    assert app._running is None and app._record.curves[0].device == "here"


def test_it_can_be_cancelled_and_a_second_press_ends_the_first(app):
    app.measure_here()
    app.measure_here()
    first, second = Child.made
    assert first.cancelled and not second.cancelled
    app.cancel()
    assert second.cancelled and app._message.value == "Cancelled."
    assert not app._record.curves and app._work.layout.visibility == "hidden"


def test_a_child_that_fails_or_runs_out_is_a_sentence(app):
    Child.answer = RuntimeError("Measuring ANIL at 10 steps failed; its last words: no luck")
    app.measure_here()
    assert "its last words: no luck" in app._message.value
    assert "Traceback" not in app._message.value
    Child.answer = Measurement(
        "ANIL", 10, {}, status="out of memory", why="The device had no memory left."
    )
    problem = dataclasses.asdict(app._problem())
    Child.answer = dataclasses.replace(Child.answer, problem=problem)
    app.measure_here()
    app.finish()
    assert "out of memory. The device had no memory left." in app._message.value


def test_the_chosen_device_is_read_and_the_others_are_hollow(monkeypatch):
    point = lambda size, **of: Measurement(
        "ANIL", 10, of, seconds=0.1, temporary_bytes=size, error=1e-3
    )
    conv, given = (dataclasses.asdict(Problem(name, shots=5)) for name in ("conv-4", "features"))
    measured = {"a": (point(1_500, **conv), point(3_500, **given)), "b": (point(2_500, **conv),)}
    monkeypatch.setattr(memory_runtime.curves, "stored", lambda: measured)
    app = MemoryRuntime(methods=("ANIL",), problem="Conv-4, images in", T=0.1)
    label = app._picture.labels["temporary_bytes", "ANIL"]
    lines = lambda kind: app._picture.lines["temporary_bytes", "ANIL", kind].get_ydata()
    assert label.get_text() == "ANIL  1.5 kB" and lines("elsewhere")[0] == 2_500
    assert "Measured: a; hollow: b." in app._picture.readout.get_text()
    app.controls["device"].value = "b"
    app._updates.flush()
    assert label.get_text() == "ANIL  2.5 kB" and lines("elsewhere")[0] == 1_500
    assert app.controls["d"].disabled and app.controls["d"].layout.visibility == "hidden"
    app.controls["problem"].value = "a last layer"  # of which b knows nothing
    app._updates.flush()
    assert label.get_text() == "ANIL  3.5 kB"
    assert app._picture.readout.get_text().endswith("Measured: a.")
    app.close()


def test_curves_are_read_at_the_pointer_until_it_leaves_or_T_moves():
    app = MemoryRuntime(T=100.0)
    read = lambda: (app.figure, app._record.length)[1]
    app._point(1000.0, 1.0)
    assert read() == 1000 and app.controls["T"].value == 100.0
    assert "read at T = 10," in app._picture.readout.get_text() and "T = 10." in app._describe()
    app._point(None, None)
    assert read() == 10_000
    app._point(1e30, 1.0)
    assert read() == 10**8
    app.controls["T"].value = 1.0
    assert read() == 100
    app._point(10.0, 1.0)
    app._read(1000.0, 1.0)  # pressed
    assert read() == 1000 and app.controls["T"].value == pytest.approx(10.0)
    app._point(10.0, 1.0)
    app._read(1000.0, 1.0)  # where T is already
    assert read() == 1000
    app.close()


def test_each_method_stops_at_the_limit():
    app = MemoryRuntime(methods=("ANIL",), limit=0.05)
    (curve,) = [c for c in app._record.curves if c.device != "here"]
    stop = curve.stops(0.05e9)
    assert curve.at("temporary_bytes", stop.value).value == pytest.approx(0.05e9, rel=1e-6)
    assert "passes 50 MB at" in app._describe()
    assert app._picture.stops.get_xdata() == [stop.value]
    app.controls["limit"].value = 10_000.0
    assert "passes" not in (app.figure, app._describe())[1]
    app.close()
