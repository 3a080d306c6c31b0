"""FreezeLab: what is frozen stands still, and what is tried leaves a point."""

import numpy as np
import pytest

from comlnviz.apps import FreezeLab
from comlnviz.studies.frozen_layers import LAYERS, NOISE


@pytest.fixture(scope="module")
def app():
    app = FreezeLab()
    yield app
    app.close()


def points(line):
    return {layer: y for layer, y in zip(LAYERS, line.get_ydata(), strict=True) if np.isfinite(y)}


def test_what_a_reader_tries_leaves_a_point_and_a_button_tries_the_rest(app):
    app.reset()
    app.forget()
    app.controls["C4"].value = True
    assert app.figure and list(points(app._picture.freezing)) == ["C4"]
    assert points(app._picture.freezing)["C4"] == app._record.accuracy[-1]
    for layer in LAYERS:
        app.controls[layer].value = layer != "C3"
    assert app.figure and list(points(app._picture.adapting)) == ["C3"]
    app.fill()
    assert app.figure and len(app._picture.noisy.get_xdata()) == len(NOISE)
    assert set(points(app._picture.freezing)) == set(points(app._picture.adapting)) == set(LAYERS)
    app.controls["alpha"].value = 0.2  # points are of one learning rate
    assert app.figure and not points(app._picture.freezing)
    app.forget()
    app.reset()
    assert app.figure and not points(app._picture.freezing)


def test_a_frozen_layer_says_so_and_all_of_them_say_what_is_left(app):
    app.reset()
    app.controls["C2"].value = True
    assert app.figure and app._picture.frozen[1].get_text() == "frozen"
    heights = [bar.get_height() for bar in app._picture.bars]
    assert heights[1] == 0 and min(h for i, h in enumerate(heights) if i != 1) > 0
    for layer in LAYERS:
        app.controls[layer].value = True
    assert "Every layer is frozen" in app.message.value and "chance is 10%" in app.message.value
    app.reset()
    assert app.message.value == ""
