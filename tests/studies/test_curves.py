"""Curves that are read off, Table 1 in bytes, and labels that keep apart."""

import dataclasses

import numpy as np
import pytest

from comlnviz.figures.curves import in_bytes, in_seconds, spread
from comlnviz.measure import METHODS, Measurement, Problem, Solving
from comlnviz.studies import curves

PROBLEM = Problem("features", ways=5, shots=5, d=1600)


def test_table_1_is_that_of_the_paper_in_bytes():
    rows = {row.method: row.bytes for row in curves.table_1(PROBLEM, 400, parameters=1000)}
    M, N, d = 25, 5, 1600
    assert rows["MAML"] == 4 * 1000 * 400
    assert rows["ANIL"] == 4 * N * d * 400
    assert rows["MAML, every √n"] == 4 * 1000 * 20
    assert rows["iMAML"] == 4 * 1000
    assert rows["naive forward sensitivity"] == 4 * (N**2 * d**2 + M * N * d**2)
    assert rows["COMLN, forward"] == 4 * (M**2 * N**2 + M**3 * N)
    longer = {row.method: row.bytes for row in curves.table_1(PROBLEM, 40_000, parameters=1000)}
    assert longer["COMLN, forward"] == rows["COMLN, forward"]


def test_a_value_is_read_between_points_and_beyond_them_and_says_which():
    fields = dict(problem=dataclasses.asdict(PROBLEM), parameters=8005)
    sizes = ((100, 1e4), (10_000, 1e6))
    points = [Measurement("ANIL", n, temporary_bytes=int(b), **fields) for n, b in sizes]
    curve = curves.Curve("ANIL", "here", tuple(points))
    assert curve.at("temporary_bytes", 1000) == (pytest.approx(1e5), True)
    assert curve.at("temporary_bytes", 10**6) == (pytest.approx(1e8), False)
    assert curve.at("temporary_bytes", 10) is None and curve.at("seconds", 1000) is None
    assert curve.stops(1e5) == (pytest.approx(1000), True)
    assert curve.stops(1e9) == (pytest.approx(10**7), False)
    assert curve.stops(1e12) is None and curve.stops(10.0) == (100, True)


def test_what_comes_with_the_package_is_measured_and_consistent():
    for device, points in curves.stored().items():
        assert points, device
        for point in points:
            assert point.method in METHODS
            assert (point.status == "ok") == (point.why == ""), point
            assert point.error is None or point.error_why == ""
    assert curves.stored(), "measured curves come with the package"


def test_methods_that_are_not_there_are_refused():
    with pytest.raises(ValueError, match="no method 'MAMMAL'"):
        curves.study(PROBLEM, ["MAMMAL"], 10)


def test_a_curve_is_of_the_chosen_solver_where_it_was_measured_so(monkeypatch):
    fields = dict(problem=dataclasses.asdict(PROBLEM), temporary_bytes=1)
    own = [Measurement(method, 1, **fields) for method in ("ANIL", "COMLN, Gram")]
    loose = Measurement("COMLN, Gram", 1, tolerance=1e-3, **fields)
    monkeypatch.setattr(curves, "stored", lambda: {"a": (*own, loose), "b": tuple(own)})
    study = lambda **how: curves.study(PROBLEM, ["ANIL", "COMLN, Gram"], 1, **how).curves
    tolerances = lambda found: [(c.method, c.device, c.solving.tolerance) for c in found]
    gram = lambda found: [t for t in tolerances(found) if t[0] != "ANIL"]
    assert gram(study()) == [("COMLN, Gram", "a", None), ("COMLN, Gram", "b", None)]
    chosen = study(solving=Solving(tolerance=1e-3))
    assert gram(chosen) == [("COMLN, Gram", "a", 1e-3), ("COMLN, Gram", "b", None)]
    assert [t for t in tolerances(chosen) if t[0] == "ANIL"] == [
        ("ANIL", "a", None),
        ("ANIL", "b", None),
    ]


def test_labels_keep_their_order_and_their_distance():
    found = spread({"a": 0.50, "b": 0.51, "c": 2.0, "d": -1.0, "e": 0.02}, 0.1)
    order = sorted(found, key=lambda name: -found[name])
    assert order == ["c", "b", "a", "e", "d"]
    places = np.array([found[name] for name in order])
    assert np.all(-np.diff(places) > 0.1 - 1e-12) and places[0] <= 1 and places[-1] >= 0


def test_sizes_and_times_are_written_as_people_write_them():
    assert [in_bytes(x) for x in (12, 4_000, 32e9)] == ["12 B", "4 kB", "32 GB"]
    assert [in_seconds(x) for x in (2e-5, 0.05, 7200)] == ["20 µs", "50 ms", "2 h"]
