"""FigureCanvas without a browser: what is sent, when, and what is let go of."""

import gc
import io
import subprocess
import sys
import tracemalloc
import weakref

import ipywidgets
import numpy as np
import pytest
from effort import often
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image

from comlnviz.apps import canvas as module
from comlnviz.apps.canvas import FigureCanvas

X = np.linspace(0, 8, 200)


def build(layout="constrained", size=(6, 3)):
    figure = Figure(figsize=size, layout=layout)
    left, right = figure.subplots(1, 2)
    left.plot(X, np.sin(X), animated=True)
    right.semilogy(X, np.exp(-X), animated=True)
    left.set(xlim=(0, 8), ylim=(-1, 1), title="left")
    return figure, left, right


@pytest.fixture
def shown():
    figure, left, right = build()
    canvas = FigureCanvas(figure, alt="two curves")
    yield canvas, left, right
    canvas.close()


def says(canvas, **content):
    """Deliver a message as the page would."""
    data = {"method": "custom", "content": content}
    canvas._handle_msg({"content": {"data": data}, "buffers": []})


def head(canvas):
    return int.from_bytes(canvas._frame[:4], "little")


def number(canvas):
    return head(canvas) >> 1


def asked(canvas):
    return bool(head(canvas) & 1)


def picture(canvas):
    return np.asarray(Image.open(io.BytesIO(canvas._background)).convert("RGB"), int)


def test_the_opening_state_has_the_picture(shown):
    canvas, *_ = shown
    assert number(canvas) == 1
    assert canvas._size == (600, 300, 1.0)
    assert picture(canvas).shape == (300, 600, 3)
    assert len(canvas._styles) == 2
    assert canvas.alt == "two curves"


def test_what_moves_needs_no_new_background(shown):
    canvas, left, _ = shown
    before = canvas._background
    left.lines[0].set_ydata(np.cos(X))
    assert not canvas.figure.stale
    canvas.refresh()
    assert number(canvas) == 2
    assert canvas._background is before


@pytest.mark.parametrize(
    "change",
    [
        lambda ax: ax.set_xlim(0, 4),
        lambda ax: ax.set_title("other"),
        lambda ax: ax.set_facecolor("yellow"),
        lambda ax: ax.tick_params(labelsize=5),
        lambda ax: ax.axhline(0.5),
        lambda ax: ax.figure.suptitle("on top"),
        lambda ax: ax.lines[0].remove() or ax.plot([0, 8], [0, 1]),
    ],
)
def test_a_static_change_draws_a_new_background(shown, change):
    canvas, left, _ = shown
    before = picture(canvas)
    change(left)
    canvas.refresh()
    assert (picture(canvas) != before).any()
    assert number(canvas) == 2


def test_a_pending_autoscale_reaches_the_background_with_its_frame(shown):
    canvas, left, _ = shown
    left.lines[0].set_ydata(50 * np.sin(X))
    left.autoscale()
    left.relim()
    before = picture(canvas)
    canvas.refresh()
    assert left.get_ylim()[1] > 40
    assert (picture(canvas) != before).any()
    frame = canvas._frame
    canvas.refresh()
    assert canvas._frame is frame


def test_a_refresh_without_change_sends_nothing(shown):
    canvas, *_ = shown
    sent = []
    canvas._send = lambda *message, **more: sent.append(message)
    canvas.refresh()
    canvas.refresh()
    assert sent == [] and number(canvas) == 1


def test_a_frame_is_one_message_and_styles_go_only_when_they_change(shown):
    canvas, left, _ = shown
    sent = []
    canvas._send = lambda message, buffers=None: sent.append(
        {*message["state"], *(path[0] for path in message["buffer_paths"])}
    )
    left.lines[0].set_ydata(np.cos(X))
    canvas.refresh()
    left.lines[0].set_color("red")
    canvas.refresh()
    left.set_title("new")
    canvas.refresh()
    assert sent == [{"_frame"}, {"_frame", "_styles"}, {"_frame", "_background"}]


def test_savefig_in_between_does_not_hide_a_static_change(shown):
    canvas, left, _ = shown
    before = picture(canvas)
    left.set_title("changed")
    canvas.figure.savefig(io.BytesIO(), format="png")  # draws, and so unsets figure.stale
    canvas.refresh()
    assert (picture(canvas) != before).any()


def test_png_neither_costs_nor_hides_a_background(shown):
    canvas, left, _ = shown
    before = canvas._background
    canvas.png(dpi=50)
    canvas.refresh()
    assert canvas._background is before
    left.set_title("changed")
    canvas.png()
    canvas.refresh()
    assert canvas._background != before


def test_png_has_the_figures_own_moving_artists(shown):
    canvas, *_ = shown
    note = canvas.figure.text(0.5, 0.5, "note", size=40, color="red")
    visible = canvas.png()
    note.set_animated(True)
    canvas.refresh()
    assert canvas.png() == visible
    assert note.get_animated()


def test_png_has_what_moves_and_other_resolutions(shown):
    canvas, *_ = shown
    whole = np.asarray(Image.open(io.BytesIO(canvas.png())).convert("RGB"), int)
    assert whole.shape == (300, 600, 3)
    assert (np.abs(whole - picture(canvas)).max(axis=2) > 50).sum() > 300
    says(canvas, kind="page", dark=False, ratio=2)
    assert Image.open(io.BytesIO(canvas.png())).size == (600, 300)
    assert Image.open(io.BytesIO(canvas.png(dpi=200))).size == (1200, 600)
    assert canvas._size == (1200, 600, 2.0)


def test_the_page_decides_on_pixels_and_theme():
    figure, *_ = build()
    themes = []

    def restyle(dark):
        themes.append(dark)
        figure.set_facecolor("black" if dark else "white")

    canvas = FigureCanvas(figure, on_theme=restyle)
    says(canvas, kind="page", dark=False, ratio=1)
    assert themes == [] and number(canvas) == 1
    says(canvas, kind="page", dark=True, ratio=2)
    assert themes == [True] and number(canvas) == 2
    assert picture(canvas).shape == (600, 1200, 3)
    assert picture(canvas)[0, 0].tolist() == [0, 0, 0]
    says(canvas, kind="page", dark=False, ratio=2)
    assert themes == [True, False]
    canvas.close()


def test_no_page_no_frame_in_flight(shown):
    canvas, left, _ = shown
    for shift in range(3):
        left.lines[0].set_ydata(np.sin(X + shift))
        canvas.refresh()
        assert not canvas.in_flight


def test_round_trip_and_a_page_that_vanishes(shown, monkeypatch):
    canvas, left, _ = shown
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])

    def move():
        left.lines[0].set_ydata(np.sin(X + now[0]))
        canvas.refresh()

    says(canvas, kind="page", dark=False, ratio=1)
    move()
    assert canvas.in_flight
    now[0] += 0.05
    says(canvas, kind="painted", number=number(canvas))
    assert not canvas.in_flight
    assert canvas.round_trip == pytest.approx(0.05)
    now[0] += 0.3
    move(), move()
    now[0] += 0.15
    says(canvas, kind="painted", number=number(canvas))  # the page paints the newest, skips others
    assert not canvas.in_flight
    assert 0.05 < canvas.round_trip < 0.15
    now[0] += 0.3
    move()
    now[0] += 0.9
    assert canvas.in_flight
    now[0] += 0.2
    assert not canvas.in_flight
    move()
    assert not canvas.in_flight and asked(canvas)  # whoever is there may answer
    says(canvas, kind="painted", number=number(canvas))
    now[0] += 1
    move()
    assert canvas.in_flight
    says(canvas, kind="page", dark=False, ratio=1)  # loaded anew: the old one will not answer
    assert not canvas.in_flight
    now[0] += 1
    move()
    assert canvas.in_flight


def test_the_page_is_asked_now_and_then_and_never_twice_at_a_time(shown, monkeypatch):
    canvas, left, _ = shown
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    says(canvas, kind="page", dark=False, ratio=1)
    seen = []
    for move in range(1, 61):  # two seconds of a drag
        left.lines[0].set_ydata(np.sin(X + move))
        canvas.refresh()
        seen.append(asked(canvas))
        assert canvas.in_flight == asked(canvas)
        now[0] += 0.033
        if seen[-1]:
            says(canvas, kind="painted", number=number(canvas))
    assert seen[0] and 7 <= sum(seen) <= 9
    now[0] += 1
    for move in range(3):  # one question, while the page keeps silent
        left.lines[0].set_ydata(np.cos(X + move))
        canvas.refresh()
        now[0] += 0.3
        assert asked(canvas) == (move == 0) and canvas.in_flight


def test_drags_arrive_in_data_coordinates(shown):
    canvas, left, right = shown
    points = []
    canvas.make_draggable(left, lambda x, y: points.append(("left", x, y)))
    canvas.make_draggable(right, lambda x, y: points.append(("right", x, y)), label="the rate")
    right.set(xlim=(0, 10), ylim=(1e-4, 1))
    says(canvas, kind="pointer", target=0, x=0.25, y=0.25, pressed=True)
    says(canvas, kind="pointer", target=1, x=0.5, y=1.0, pressed=True)
    assert points[0] == ("left", pytest.approx(2), pytest.approx(0.5))
    assert points[1] == ("right", pytest.approx(5), pytest.approx(1e-4))
    assert [target[4] for target in canvas._targets] == ["left", "the rate"]
    assert [target[5] for target in canvas._targets] == [False, False]
    x, y, width, height, *_ = canvas._targets[0]
    box = left.get_window_extent()
    assert (x * 600, width * 600) == pytest.approx((box.x0, box.width), abs=0.1)
    assert (y * 300, height * 300) == pytest.approx((300 - box.y1, box.height), abs=0.1)


def test_a_pointer_that_is_not_pressed_is_told_apart(shown):
    canvas, left, right = shown
    pressed, over = [], []
    drag = lambda x, y: pressed.append((x, y))
    canvas.make_draggable(left, drag, hover=lambda x, y: over.append((x, y)))
    canvas.make_draggable(right, drag)
    assert [target[5] for target in canvas._targets] == [True, False]
    says(canvas, kind="pointer", target=0, x=0.25, y=0.25, pressed=False)
    says(canvas, kind="pointer", target=0, left=True)
    assert over == [pytest.approx((2, 0.5)), (None, None)] and not pressed
    says(canvas, kind="pointer", target=1, x=0.5, y=0.5, pressed=False)
    says(canvas, kind="pointer", target=0, right=0.25, up=0)  # from the middle: it was not pressed
    assert pressed == [pytest.approx((6, 0))] and len(over) == 2


def test_arrow_keys_go_on_from_the_last_point_or_from_where_it_is(shown):
    canvas, left, _ = shown  # left: 0 to 8, -1 to 1
    points, start = [], [2.0, 0.5]
    canvas.make_draggable(left, lambda x, y: points.append((x, y)))
    says(canvas, kind="pointer", target=0, right=0.25, up=0)
    says(canvas, kind="pointer", target=0, right=0, up=-0.25)
    says(canvas, kind="pointer", target=0, right=9, up=0)
    assert points == [pytest.approx(p) for p in [(6, 0), (6, -0.5), (8, -0.5)]]
    canvas.make_draggable(left, lambda x, y: points.append((x, y)), at=lambda: tuple(start))
    says(canvas, kind="pointer", target=0, right=0.25, up=0.25)
    assert points[-1] == pytest.approx((4, 1))


def test_axes_stay_where_they_are_until_relayout(shown):
    canvas, left, _ = shown
    place = left.get_position().bounds
    left.set_ylabel("tall\nlabel", size=30)
    canvas.refresh()
    assert left.get_position().bounds == place
    canvas.relayout()
    assert left.get_position().bounds != place


def test_close_lets_go_of_the_figure_and_the_callbacks():
    figure, left, right = build()
    canvas = FigureCanvas(figure)
    canvas.make_draggable(left, lambda x, y: None)
    kept = weakref.ref(figure)
    models = len(ipywidgets.widgets.widget._instances)
    canvas.close()
    canvas.close()
    canvas.refresh()
    assert not canvas.in_flight
    assert len(ipywidgets.widgets.widget._instances) == models - 2  # its layout is a model, too
    del figure, left, right
    gc.collect()
    assert kept() is None


@pytest.mark.slow
def test_memory_is_flat_over_many_figures():
    times = often(20, 200)

    def cycle(times):
        for _ in range(times):
            figure = Figure(figsize=(2, 1))
            axes = figure.subplots()
            (line,) = axes.plot(X, np.sin(X), animated=True)
            canvas = FigureCanvas(figure)
            canvas.make_draggable(axes, lambda x, y: None)
            line.set_ydata(np.cos(X))
            canvas.refresh()
            canvas.close()
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    cycle(10)  # caches of fonts and of class creation fill up
    tracemalloc.start()
    try:
        before = cycle(10)
        after = cycle(times)
    finally:
        tracemalloc.stop()
    assert (after - before) / times < 2000  # bytes a figure; a leaked one has hundreds of thousands


def test_no_pyplot():
    code = "import sys, comlnviz.apps.canvas; assert 'matplotlib.pyplot' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_only_what_has_changed_is_drawn_again(monkeypatch):
    figure, (moving, resting) = two_lines()
    canvas = FigureCanvas(figure)
    drawn = []
    draw = Line2D.draw
    monkeypatch.setattr(Line2D, "draw", lambda self, r: (drawn.append(self), draw(self, r)))
    moving.set_ydata([1, 0])
    canvas.refresh()
    assert drawn == [moving]
    figure.axes[0].set_xlim(0, 2)  # everything is elsewhere now
    drawn.clear()
    canvas.refresh()
    assert resting in drawn and moving in drawn


def test_a_picture_saved_in_between_does_not_hide_a_change():
    figure, (moving, _) = two_lines()
    canvas = FigureCanvas(figure)
    before = canvas._frame
    moving.set_ydata([1, 0])
    canvas.png()  # draws the line: it is not stale any more
    canvas.refresh()
    assert canvas._frame != before


def two_lines():
    figure = Figure(figsize=(3, 2))
    axes = figure.subplots()
    axes.set(xlim=(0, 1), ylim=(0, 1))
    lines = [*axes.plot([0, 1], [0, 1]), *axes.plot([0, 1], [0.5, 0.5])]
    for line in lines:
        line.set_animated(True)
    return figure, lines
