"""RegressionAdaptation and RatingsLab: a network that adapts, scrubbed along T."""

import os
from pathlib import Path

import numpy as np
import pytest

from comlnviz.apps import RatingsLab, RegressionAdaptation
from comlnviz.apps import ratings_lab as ratings_module
from comlnviz.studies import learned_starts, ratings, regression
from comlnviz.studies.learned_starts import TIMES, nearest


@pytest.fixture(scope="module")
def lab():
    app = RatingsLab(problem="tastes")
    yield app
    app.close()


@pytest.mark.parametrize("cls", [RegressionAdaptation, RatingsLab])
def test_moving_T_computes_nothing_and_shows_another_picture(cls, monkeypatch):
    app = cls()
    assert app.figure

    def refuse(**_):
        raise AssertionError("moving T needs no computation")

    monkeypatch.setattr(regression, "study", refuse)
    monkeypatch.setattr(ratings, "study", refuse)
    frames = set()
    for T in TIMES[::7]:
        app.controls["T"].value = T
        assert app.message.value == "" and app.figure
        frames.add(bytes(app.canvas._frame[4:]))
    assert len(frames) == len(TIMES[::7])
    app.close()


def test_another_start_is_another_fit_of_the_same_function():
    app = RegressionAdaptation(problem="Alpine", T=1.0)
    truth, fit = (app.figure, app._picture.truth.get_array().copy())[1], app._record.fits
    app.controls["method"].value = "Reptile"
    assert (app.figure, app._record.fits)[1].shape == fit.shape
    assert np.abs(app._record.fits - fit).max() > 0.1
    np.testing.assert_array_equal(app._picture.truth.get_array(), truth)
    at = nearest(1.0)
    assert app._picture.over_time.lines["Reptile"].get_linewidth() > 2
    shown = app._picture.over_time.heres["Reptile"].get_ydata()[0]
    assert shown == app._record.errors["Reptile"][at]
    assert app._picture.over_time.numbers["Reptile"].get_text() == f"{shown:.3f}"
    app.close()


def test_a_readers_ratings_are_adapted_to_and_what_was_predicted_is_kept(lab):
    lab.reset()
    lab.forget()
    before = (lab.figure, lab._record.before)[1]
    lab.rate(1, 5)
    assert lab.controls["who"].value == "yourself" and lab.figure
    assert lab._guesses == {0: pytest.approx(before[0])}
    guess = lab._record.adapted[nearest(lab.controls["T"].value), 99]
    lab.rate(100, 1)
    lab.rate(100, 2)  # a second thought: the guess remains that of before the first
    assert (lab.figure, lab._own)[1] == {0: 5, 99: 2}
    assert lab._guesses[99] == pytest.approx(guess)
    miss = (abs(before[0] - 5) + abs(guess - 2)) / 2
    assert f"2 of your ratings, missed by {miss:.1f} each" in lab._picture.readout.get_text()
    assert len(lab._picture.later.get_xdata()) == 2
    problem = lab.controls["problem"].value
    wanted = ratings.study(problem=problem, items=[0, 99], ratings=[5, 2])
    np.testing.assert_array_equal(lab._record.adapted, wanted.adapted)
    assert "mine = {0: 5, 99: 2}" in lab.code()
    lab.forget()
    assert (lab.figure, lab._record.adapted[-1])[1].tolist() == lab._record.before.tolist()
    lab.reset()


def test_a_place_in_the_map_is_an_item(lab):
    lab.reset()
    lab._choose(3.4, 6.6)
    assert lab.controls["item"].value == 74
    lab._choose(-3, 12)
    assert lab.controls["item"].value == 91
    corners = (lab.figure, lab._picture.chosen[0].get_data())[1]
    assert np.nanmean(corners[0][:4]) == 0 and np.nanmean(corners[1][:4]) == 9


def test_ratings_that_cannot_be_are_sentences(lab):
    with pytest.raises(ValueError, match="a rating from 1 to 5; got 3, 6"):
        lab.rate(3, 6)
    lab.forget()
    for item in range(1, 21):
        lab._own[item] = 3
    with pytest.raises(ValueError, match="20 ratings are the most"):
        lab.rate(1, 3)
    lab.forget()
    lab.reset()


def test_the_mean_of_all_users_goes_when_other_ratings_are_shown(lab):
    lab.reset()
    everyone = lab.ask_all()
    np.testing.assert_array_equal(lab._picture.all.get_ydata(), everyone.mean)
    lab.controls["user"].value = 5
    assert lab.figure and len(lab._picture.all.get_xdata())
    lab.controls["shots"].value = 2
    assert lab.figure and not len(lab._picture.all.get_xdata())
    lab.reset()


def test_without_movielens_its_stand_in_is_shown_and_the_figure_says_so(monkeypatch, tmp_path, lab):
    monkeypatch.setenv("COMLNVIZ_DATA", str(tmp_path))
    monkeypatch.setenv("COMLNVIZ_CACHE", str(tmp_path))
    assert ratings_module._opening() == "tastes"
    lab.reset()
    lab.controls["problem"].value = "tastes"
    assert "invented" in (lab.figure, lab._picture.readout.get_text())[1]
    ratings._table.cache_clear()
    lab.controls["problem"].value = "movielens-100k"
    assert "movielens-100k is not on this computer" in lab.message.value
    assert "choose tastes" in lab.message.value
    lab.controls["problem"].value = "tastes"
    assert lab.message.value == ""


def test_movielens_is_shown_where_it_is():
    folder = os.environ.get("COMLNVIZ_DATA")
    if folder is None or not (Path(folder) / "movielens-100k").is_dir():
        pytest.skip("MovieLens-100K is not at hand: set COMLNVIZ_DATA to its folder's")
    if not learned_starts.place("movielens-100k", ratings.METHOD).is_file():
        pytest.skip("its start is not trained: run tools/train_initializations.py movielens-100k")
    app = RatingsLab()
    assert app.controls["problem"].value == "movielens-100k"
    assert app.message.value == "" and "real users" in app._picture.readout.get_text()
    app.close()
