"""FewShotLab, and the pads that one draws on."""

import numpy as np
import pytest

from comlnviz.apps import FewShotLab
from comlnviz.apps.few_shot_lab import OWN
from comlnviz.studies import lab


@pytest.fixture(scope="module")
def app():
    app = FewShotLab(T=2.0)
    yield app
    app.close()


def test_a_longer_adaptation_knows_more_than_none(app):
    answers = (app.figure, app._answers)[1]
    truth = np.repeat(np.arange(lab.WAYS), lab.QUERIES)
    right = (np.asarray(answers.probabilities).argmax(-1) == truth).mean(axis=1)
    assert right[0] < 0.4 and right[-1] > 0.8
    np.testing.assert_allclose(np.asarray(answers.probabilities).sum(-1), 1, rtol=1e-5)


def test_five_drawings_and_a_question_are_a_task(app):
    episode = lab.episode("glyphs", 1, 3)
    app.controls["data"].value = OWN
    app.pads.images = np.zeros((6, 28, 28, 1))
    assert "Still empty: class A" in app.message.value
    assert not app._picture.heading.get_text()
    app.pads.images = np.concatenate([episode.support, episode.query[10:11]])  # of class C
    assert app.message.value == ""
    assert app._picture.heading.get_text().startswith("your query: C")
    app.reset()
    assert "dotted query" in (app.figure, app._picture.heading.get_text())[1]


def test_pads_keep_what_was_drawn_to_the_byte(app):
    images = np.random.default_rng(0).integers(0, 256, (6, 28, 28, 1)) / 255
    app.pads.images = images
    np.testing.assert_allclose(app.pads.images, images, atol=1e-6)
    # What the browser sends arrives as a memoryview.
    app.pads.set_state({"ink": memoryview(bytes(6 * 28 * 28))})
    assert not app.pads.images.any()


def test_missing_data_and_missing_models_are_sentences(app, monkeypatch, tmp_path):
    monkeypatch.setenv("COMLNVIZ_DATA", str(tmp_path))
    monkeypatch.setenv("COMLNVIZ_CACHE", str(tmp_path))
    lab._dataset.cache_clear()
    lab._tasks.cache_clear()
    app.controls["data"].value = "omniglot-minimal"
    assert "omniglot-minimal" in app.message.value and "Traceback" not in app.message.value
    app.reset()
    with pytest.raises(ValueError, match="COMLN, ANIL, R2D2, ProtoNet"):
        lab.trained("MAML")


def test_learners_beat_chance_by_far_on_characters_they_have_not_seen():
    for method in lab.METHODS:
        right = []
        for seed in range(4):
            episode = lab.episode("glyphs", 1, seed)
            answers = lab.study(method=method, support=episode.support, query=episode.query)
            said = answers.probabilities[-20].argmax(-1)
            right.append(said == np.repeat(np.arange(lab.WAYS), lab.QUERIES))
        assert np.mean(right) > 0.7, method
