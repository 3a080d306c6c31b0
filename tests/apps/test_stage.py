"""Keys that present a live figure."""

import ipywidgets as widgets
import pytest

from comlnviz.apps import BackwardInstability, FlowExplorer
from comlnviz.apps import controls as made
from comlnviz.apps.controls import move, places
from comlnviz.apps.stage import Stage


def says(app_or_stage, **content):
    stage = app_or_stage
    if not isinstance(stage, Stage):
        (stage,) = found(app_or_stage.widget)
    stage._receive(None, content, None)
    return stage


def found(widget):
    if isinstance(widget, Stage):
        return [widget]
    return [stage for child in getattr(widget, "children", ()) for stage in found(child)]


@pytest.mark.parametrize(
    "control, after_one, first, last",
    [
        (made.log_slider("T", -1, 1, 1.0, "", step=0.1), 10**0.1, 0.1, 10.0),
        (made.slider("x", -2, 2, 0.5, 0.0, ""), 0.5, -2, 2),
        (made.whole("n", 1, 9, 4, ""), 5, 1, 9),
        (made.number("seed", 0, 999, 7, ""), 8, 0, 999),
        (made.choice("loss", ("a", "b", "c"), "b", ""), "c", "a", "c"),
        (made.steps("shots", (1, 2, 5, 10), 2, ""), 5, 1, 10),
        (made.toggle("freeze", False, ""), True, False, True),
    ],
)
def test_every_kind_of_control_moves_by_its_steps_and_stops_at_its_ends(
    control, after_one, first, last
):
    same = pytest.approx if isinstance(last, float) else lambda value: value
    move(control, 1)
    assert control.value == same(after_one)
    move(control, -(10**6))
    assert control.value == same(first) and places(control)[0] == pytest.approx(0)
    move(control, 10**6)
    assert control.value == same(last) and places(control)[0] == pytest.approx(places(control)[1])
    control.close()


def test_what_a_page_rounds_is_no_move_and_what_a_reader_or_a_script_does_is():
    control = made.log_slider("T", -1, 1, 3.0, "", step=0.1)
    control.set_state({"value": 10**0.5})  # the nearest place
    assert control.value == 3.0
    control.set_state({"value": 10**0.4, "description": "time"})
    assert control.value == 10**0.4 and control.description == "time"
    control.value = 10**0.4 + 1e-9
    assert control.value == 10**0.4 + 1e-9
    linear = made.slider("x", -2, 2, 0.5, 0.3, "")
    linear.set_state({"value": 0.5})
    assert linear.value == 0.3
    linear.set_state({"value": 1.0})
    assert linear.value == 1.0
    control.close()
    linear.close()


def test_no_move_leaves_a_value_between_two_places_alone():
    control = made.log_slider("T", -1, 1, 3.0, "", step=0.1)
    move(control, 0)
    assert control.value == 3.0
    control.close()


def test_keys_move_time_first_and_then_what_is_chosen():
    app = FlowExplorer()
    before = app.controls["T"].value
    assert says(app, move=-5).hint.startswith("T: ")
    assert app.controls["T"].value < before
    usable = [name for name, control in app.controls.items() if not control.disabled]
    after = usable[(usable.index("T") + 1) % len(usable)]
    assert says(app, choose=1).hint.startswith(app.controls[after].description)
    says(app, choose=-1)
    says(app, reset=True)
    assert app.controls["T"].value == before
    app.close()


def test_playing_starts_over_only_at_the_end():
    app = BackwardInstability()
    stage = says(app)
    assert stage.at_end  # the story is shown whole at first
    answers = stage.answers
    assert not says(app, rewind=True).at_end
    assert app.controls["progress"].value == 0 and stage.answers == answers + 1
    says(app, move=30)
    says(app, rewind=True)
    assert app.controls["progress"].value == 30
    app.close()


def test_what_goes_wrong_is_said_and_the_page_gets_its_answer():
    control = widgets.IntSlider(value=1, min=0, max=3, description="n")
    heard = []
    stage = Stage({"n": control}, lambda: None, heard.append)

    def fail(_change):
        raise ValueError("no such picture")

    control.observe(fail, "value")
    says(stage, move=1)
    assert [str(error) for error in heard] == ["no such picture"] and stage.answers == 1
    stage.close()
    control.close()


def test_a_slider_tells_a_readers_moves_from_a_programs():
    for control, new in (
        (made.log_slider("T", -1, 1, 1.0, ""), {"value": 10.0}),
        (made.slider("x", 0, 1, 0.1, 0.0, ""), {"value": 0.5}),
        (made.whole("n", 0, 9, 1, ""), {"value": 5}),
        (made.steps("shots", (1, 2, 5), 1, ""), {"index": 1}),
    ):
        seen = []
        control.moved = lambda control, seen=seen: seen.append(control.value)
        before, control.value = control.value, control.value
        control.set_state(new)
        assert seen == [control.value] and seen != [before]
        control.value = before
        assert len(seen) == 1
        control.close()


def test_a_readers_move_is_not_sent_back_but_a_programs_is_told(monkeypatch):
    sent = []
    monkeypatch.setattr(widgets.Widget, "_send", lambda _, message, **__: sent.append(message))
    slider = made.slider("x", 0, 9, 1, 0, "")
    for control, name, new, other in (
        (slider, "value", 5.0, 2.0),
        (made.log_slider("T", -1, 1, 1.0, ""), "value", 10.0, 0.1),
        (made.whole("n", 0, 9, 1, ""), "value", 5, 2),
        (made.steps("shots", (1, 2, 5), 1, ""), "index", 1, 2),
        (made.play(slider), "value", 3, 4),
    ):
        sent.clear()
        control.set_state({name: new})
        assert getattr(control, name) == new and sent == []
        setattr(control, name, other)
        assert [message["method"] for message in sent] == ["update"]
        assert sent[0]["state"][name] == other
        control.close()
