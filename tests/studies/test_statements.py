"""What the papers say of their curves: each kind of statement can hold and can fail."""

import dataclasses

import pytest

from comlnviz.measure import COS_MIXTURE, Measurement, Problem
from comlnviz.studies import curves, statements

SHORT = "amaml-figure-3"
LONG = Problem("features", 5, 5, d=1600)


def stored(monkeypatch, problem, **grown):
    """Let the stored curves be these: method → (n → bytes, n → seconds)."""
    points = tuple(
        Measurement(
            method, n, dataclasses.asdict(problem), temporary_bytes=size(n), seconds=seconds(n)
        )
        for method, (size, seconds) in grown.items()
        for n in (1, 10, 100, 1000)
    )
    monkeypatch.setattr(curves, "stored", lambda: {"a device": points})
    monkeypatch.setattr(statements, "stored", curves.stored)


def verdicts(figure):
    return {said["claim"]: said["holds"] for said in statements.judged(figure)}


def test_comln_s_figure_3_as_the_paper_has_it_and_the_other_way_round(monkeypatch):
    linear, flat, slow = lambda n: 100 * n, lambda n: 100, lambda n: n / 1000
    right = {
        "MAML": (linear, slow),
        "ANIL": (linear, slow),
        "iMAML": (flat, slow),
        "COMLN, forward": (flat, lambda n: 1e-4),
        "COMLN, forward, Euler": (flat, slow),
    }
    stored(monkeypatch, LONG, **right)
    assert set(verdicts("comln-figure-3").values()) == {True}
    assert set(verdicts("comln-figure-4").values()) == {None}  # of another size
    stored(monkeypatch, LONG.with_features_of(16_000), **right)
    assert set(verdicts("comln-figure-4").values()) == {True}
    wrong = {
        "MAML": (flat, slow),
        "ANIL": (flat, slow),
        "iMAML": (linear, slow),
        "COMLN, forward": (linear, lambda n: 2 * slow(n)),
        "COMLN, forward, Euler": (linear, lambda n: 3 * slow(n)),
    }
    stored(monkeypatch, LONG, **wrong)
    assert set(verdicts("comln-figure-3").values()) == {False}


def test_the_statements_are_judged_for_the_network_that_computes_the_features(monkeypatch):
    both = (lambda n: 100 * n, lambda n: n / 1000)
    stored(monkeypatch, Problem("conv-4", 5, 5), MAML=both, ANIL=both)
    claim = "the memory of MAML and ANIL grows with the number of steps"
    of = lambda **how: {s["claim"]: s["holds"] for s in statements.judged("comln-figure-3", **how)}
    assert of(backbone="conv-4")[claim] is True
    assert of()[claim] is None
    with pytest.raises(ValueError, match="is of features, or of conv-4; got 'resnet-12'"):
        of(backbone="resnet-12")


@pytest.mark.parametrize("a_step", [0, 100])
def test_growth_is_seen_beside_a_network_that_takes_much_at_any_length(monkeypatch, a_step):
    hidden = (lambda n: 1_000_000 + a_step * n, lambda n: n / 1000)
    stored(monkeypatch, Problem("conv-4", 5, 5), MAML=hidden, ANIL=hidden)
    first, *_ = statements.judged("comln-figure-3", backbone="conv-4")
    assert first["holds"] is bool(a_step), first["why"]


@pytest.mark.parametrize("exponential", [True, False])
def test_exponential_growth_is_told_from_linear(monkeypatch, exponential):
    size = (lambda n: int(1000 * 2 ** (n / 50))) if exponential else (lambda n: 1000 * n)
    stored(monkeypatch, COS_MIXTURE, MAML=(size, lambda n: 1.0))
    claim = "the memory of MAML grows exponentially with the number of steps"
    assert verdicts(SHORT)[claim] is exponential


def test_the_most_must_be_so_from_10_steps_on(monkeypatch):
    others = ("A-MAML, a state a step", "iMAML", "FOMAML", "Reptile")
    flat = (lambda n: 50, lambda n: 1.0)
    claim = "MAML takes the most memory"
    for first, holds in ((lambda n: 100 * n, True), (lambda n: 4 * n, False)):
        stored(monkeypatch, COS_MIXTURE, MAML=(first, lambda n: 1.0), **dict.fromkeys(others, flat))
        assert verdicts(SHORT)[claim] is holds


def test_what_is_not_measured_is_not_judged(monkeypatch):
    stored(monkeypatch, COS_MIXTURE)
    assert set(verdicts(SHORT).values()) == {None}
    assert all(said["why"] == "Too little is measured." for said in statements.judged(SHORT))
    with pytest.raises(ValueError, match="No statements of 'comln-figure-9'"):
        statements.judged("comln-figure-9")
    with pytest.raises(ValueError, match="amaml-figure-3 adapts a whole network: it has no 'conv"):
        statements.judged("amaml-figure-3", backbone="conv-4")
