"""What is computed before it is asked for is what would be computed then, and nobody notices."""

import asyncio
import json

import pytest

from comlnviz import apps
from comlnviz.apps import BackwardInstability, FlowExplorer, FreezeLab, foresight
from comlnviz.apps.controls import neighbours
from comlnviz.apps.scheduler import Coalescer

REST = foresight._REST


@pytest.fixture(scope="module", params=apps.ALL, ids=lambda app: app.__name__)
def app(request):
    app = request.param()
    yield app
    app.close()


@pytest.fixture
def patient(monkeypatch):
    """However busy the machine is, no work counts as slow."""
    monkeypatch.setattr(foresight, "_QUICK", 60.0)


def heard(app, monkeypatch):
    """The messages to the page that bring foreseen pictures."""
    found = []

    def send(content, buffers=None):
        if content.get("kind") == "foreseen":
            json.dumps(content)  # or it would not travel
            found.append((content, buffers))

    monkeypatch.setattr(app.canvas, "send", send)
    return found


def reader_moves(app, *moves, rest=3 * REST):
    """Move controls as a page does, within an event loop, and rest after each."""

    async def drive():
        for name, value in moves:
            app.controls[name].set_state({"value": value})
            await asyncio.sleep(rest)

    asyncio.run(drive())


def leading(app):
    names = ("progress", "T", "t", "meta_step", "alpha")
    return next(n for n in names if n in app.controls and neighbours(app.controls[n]))


def beside(control):
    return next(value for value in neighbours(control) if value != control.value)


def test_a_foreseen_picture_is_the_one_that_comes(app, patient, monkeypatch):
    app.reset()
    assert app.figure
    slider = app.controls[leading(app)]
    found = heard(app, monkeypatch)
    reader_moves(app, (leading(app), beside(slider)))
    if not app.foresees:
        assert not found
        return
    if not found:  # a figure may draw its limits anew at every move
        moved = app.canvas.backgrounds
        reader_moves(app, (leading(app), beside(slider)))
        assert app.canvas.backgrounds > moved
        return
    (content, buffers), number = found[-1], app.canvas._number
    assert content["slider"] == slider.model_id
    assert content["after"] == number == int.from_bytes(buffers[0][:4], "little") >> 1
    assert content["values"] == [v for v in neighbours(slider) if v in content["values"]]
    for value, styles, buffer in zip(content["values"], content["styles"], buffers, strict=True):
        slider.value = value
        assert app.figure
        assert app.canvas._frame[4:] == buffer[4:]
        assert json.dumps(app.canvas._styles) == json.dumps(styles)


@pytest.mark.parametrize("kind", [FlowExplorer, BackwardInstability])
def test_nobody_is_told_of_values_that_were_not_chosen(kind, patient, monkeypatch):
    app = kind(problem="quadratic")
    found = heard(app, monkeypatch)
    reader_moves(app, ("T", 10.0))
    found.clear()
    seen, told = [], []
    app.controls["T"].observe(lambda change: seen.append(change["new"]), "value")
    reader_moves(app, ("T", 10**1.02), rest=0.5 * REST)  # not yet
    frame, record, code = app.canvas._frame, app._record, app.code()
    monkeypatch.setattr(app.controls["T"], "send_state", lambda *_, **__: told.append(1))
    app.canvas.observe(lambda change: told.append(change["name"]), "_frame")
    reader_moves(app, ("T", 10**1.02))  # the same place: only the rest
    assert len(found) == 1
    assert found[0][0]["values"] == pytest.approx([10.0, 10**1.04])
    assert seen == [pytest.approx(10**1.02)] and not told
    assert app.canvas._frame is frame and app.code() == code
    assert app._record.__class__ is record.__class__
    assert app.controls["T"].value == pytest.approx(10**1.02)
    app.close()


def test_a_reader_who_does_not_rest_is_not_kept_waiting(patient, monkeypatch):
    app = BackwardInstability(problem="quadratic")
    found = heard(app, monkeypatch)
    reader_moves(app, *(("progress", n) for n in range(100, 130)), rest=0.2 * REST)
    assert not found
    app.close()


def test_a_move_that_the_page_has_yet_to_be_shown_is_waited_for(patient, monkeypatch):
    app = BackwardInstability(problem="quadratic")
    found, waiting = heard(app, monkeypatch), iter([True, True])
    dirty = Coalescer.dirty.fget
    monkeypatch.setattr(
        Coalescer, "dirty", property(lambda self: next(waiting, False) or dirty(self))
    )
    reader_moves(app, ("progress", 100), rest=6 * REST)
    assert len(found) == 1 and next(waiting, None) is None
    app.close()


def test_what_draws_a_new_background_is_not_foreseen(patient, monkeypatch):
    update = FlowExplorer._update

    def titled(self):
        plane, title = self._picture.plane, f"T above 10: {self.controls['T'].value > 10.1}"
        if plane.get_title() != title:
            plane.set_title(title)
        return update(self)

    monkeypatch.setattr(FlowExplorer, "_update", titled)
    app = FlowExplorer(problem="quadratic", T=10**0.96)
    found = heard(app, monkeypatch)
    reader_moves(app, ("T", 10**0.98))
    assert found.pop()[0]["values"] == pytest.approx([10**0.96, 10.0])
    reader_moves(app, ("T", 10.0))  # a step further on there is another title
    assert found.pop()[0]["values"] == pytest.approx([10**0.98])
    reader_moves(app, ("T", 10**1.02))  # where it was drawn: not worth looking
    assert not found
    reader_moves(app, ("T", 10**1.04))
    assert found.pop()[0]["values"] == pytest.approx([10**1.02, 10**1.06])
    app.close()


def test_slow_work_is_not_done_before_it_is_asked_for(monkeypatch):
    monkeypatch.setattr(foresight, "_QUICK", 0.0)
    app = BackwardInstability(problem="quadratic")
    found = heard(app, monkeypatch)
    reader_moves(app, ("progress", 100))
    assert not found
    app.close()


def test_work_that_would_announce_itself_is_given_up(patient, monkeypatch):
    app = BackwardInstability(problem="quadratic")
    found = heard(app, monkeypatch)
    reader_moves(app, ("T", 10.0))
    busy = []

    def announcing():
        if app.controls["T"].value > 10**1.03:
            app._busy("Compiling")
            busy.append(app.controls["T"].value)
        return app._update()

    monkeypatch.setattr(app._foresight, "_update", announcing)
    found.clear()
    reader_moves(app, ("T", 10**1.02))
    assert found[0][0]["values"] == pytest.approx([10.0])
    assert not busy and app.message.value == ""
    assert app.controls["T"].value == pytest.approx(10**1.02)
    app.close()


def test_a_figure_where_trying_leaves_a_trace_foresees_nothing():
    assert not FreezeLab.foresees
