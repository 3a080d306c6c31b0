"""FigureCanvas where it matters: in JupyterLab, in a browser."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

pytestmark = pytest.mark.browser

SETUP = """\
import ipywidgets, numpy as np
from matplotlib.figure import Figure
from comlnviz.apps.canvas import FigureCanvas

figure = Figure(figsize=(5, 3), dpi=100, facecolor="white")
axes = figure.add_axes([0, 0, 1, 1])
axes.set(xlim=(0, 10), ylim=(-1, 1))
axes.set_axis_off()
t = np.linspace(0, 10, 100)
(line,) = axes.plot(t, np.sin(t + 1), color="red", lw=6, animated=True)
(dot,) = axes.plot([5], [0], "s", ms=20, color="blue", animated=True)

def style(dark):
    figure.set_facecolor("black" if dark else "white")

canvas = FigureCanvas(figure, alt="a wave", on_theme=style)
slider = ipywidgets.FloatSlider(value=1, min=0, max=3, step=0.1, description="phase")
places, phases, over = [], [], []

def move(change):
    phases.append(change["new"])
    line.set_ydata(np.sin(t + change["new"]))
    canvas.refresh()

def drag(x, y):
    places.append((x, y))
    dot.set_data([x], [y])
    canvas.refresh()

slider.observe(move, "value")
def hover(x, y):
    over.append((x, y))
    if x is not None:
        dot.set_data([x], [y])
    canvas.refresh()

canvas.make_draggable(axes, drag, "square", hover=hover)
ipywidgets.VBox([slider, canvas])
"""
BROKEN = """\
def fail(change):
    raise ZeroDivisionError("callback")
slider.observe(fail, "value")
"""
WHITE, BLACK, BLUE = [255, 255, 255], [0, 0, 0], [0, 0, 255]


@pytest.fixture(scope="module")
def wave(lab):
    """The lab with the notebook above open and run, and a second view of the figure."""
    notebook = new_notebook(cells=[new_code_cell(SETUP), new_code_cell("canvas")])
    nbformat.write(notebook, lab.root / "wave.ipynb")
    lab.open("wave.ipynb")
    lab.run_all()
    lab.wait("lab.figures().length === 2")
    lab.settle()
    return lab


def test_every_move_of_a_slider_changes_the_pixels(wave):
    first = wave.pixels(0)
    seen = [first, *wave.press("phase", "ArrowRight", 5)]
    assert len(set(seen)) == 6
    back = wave.press("phase", "ArrowLeft", 5)
    assert back == seen[-2::-1]
    assert not wave.errors


def test_both_views_show_the_same(wave):
    wave.press("phase")
    assert wave.pixels(0) == wave.pixels(1)


def test_a_drag_calls_back_in_data_coordinates_and_is_seen(wave):
    wave.execute("places.clear()")
    wave.drag("square", (0.5, 0.5), (0.8, 0.25))
    places = eval(wave.execute("print(places)"))
    assert places[0] == pytest.approx((5, 0), abs=0.4)
    assert places[-1] == pytest.approx((8, 0.5), abs=0.05)
    assert wave.colours(0, [(0.8, 0.25)]) == [BLUE]
    assert not wave.errors


def test_a_pointer_that_passes_over_is_told_and_moves_nothing(wave):
    wave.execute("places.clear(); over.clear()")
    target = wave.page.locator('[role=application][aria-label^="square"]').first
    target.scroll_into_view_if_needed()
    box = target.bounding_box()
    wave.page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"], steps=3)
    wave.settle()
    wave.page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] - 5)
    wave.settle()
    places, over = eval(wave.execute("print((places, over))"))
    assert places == [] and over[-1] == (None, None)
    assert over[-2] == pytest.approx((5, 0), abs=0.4)
    assert not wave.errors


def test_arrow_keys_move_what_can_be_dragged(wave):
    before = wave.pixels(0)
    wave.page.locator("[role=application]").first.focus()
    wave.page.keyboard.press("Shift+ArrowDown")
    wave.settle()
    assert wave.pixels(0) != before
    assert not wave.errors


def test_a_fast_drag_of_the_slider_ends_at_its_last_value(wave):
    wave.execute("phases.clear()")
    wave.page.evaluate("() => lab.focus('phase')")
    for _ in range(12):
        wave.page.keyboard.press("ArrowRight")
    wave.settle()
    phases = eval(wave.execute("print(phases)"))
    assert phases[-1] == pytest.approx(eval(wave.execute("print(slider.value)")))
    # Every question was answered; none was given up.
    assert wave.execute("print(canvas._asked, canvas._seen)") == "None True\n"
    assert not wave.errors


def test_no_question_is_lost_while_a_background_is_decoded(wave):
    before = wave.pixels(0)
    wave.page.evaluate(
        """() => {
          window.decode = createImageBitmap;
          window.createImageBitmap = async (...of) => {
            await new Promise((done) => setTimeout(done, 300));
            return decode(...of);
          };
        }"""
    )
    for colour, shift in (("grey", 1), ("white", 0)):
        # The first frame, not to be confirmed, is still decoded when the second one comes.
        wave.execute(
            "canvas._rested = float('inf')\n"
            f"figure.set_facecolor('{colour}'); canvas.refresh()\n"
            "canvas._rested = 0.0\n"
            f"line.set_ydata(np.sin(t + slider.value + {shift})); canvas.refresh()"
        )
        wave.page.wait_for_timeout(500)
        wave.settle()
        assert wave.execute("print(canvas._asked, canvas._seen)") == "None True\n"
    wave.page.evaluate("() => { window.createImageBitmap = window.decode; }")
    assert wave.pixels(0) == before
    assert not wave.errors


def test_the_theme_restyles_the_figure(wave):
    corner = [(0.5, 0.02)]
    assert wave.colours(0, corner) == [WHITE]
    wave.theme(dark=True)
    wave.wait("lab.colours(0, [[0.5, 0.02]])[0][0] === 0")
    assert wave.colours(0, corner) == wave.colours(1, corner) == [BLACK]
    wave.theme(dark=False)
    wave.wait("lab.colours(0, [[0.5, 0.02]])[0][0] === 255")
    assert not wave.errors


def test_the_browser_strokes_what_agg_would(wave):
    """Most pixels are the same to a hair; antialiased edges differ by a few levels."""
    wave.execute("places.clear()")
    wave.settle()
    code = """
import io
from PIL import Image
picture = Image.open(io.BytesIO(canvas.png())).convert('RGB')
print(picture.size, [list(map(int, p)) for p in np.asarray(picture)[::10, ::10].reshape(-1, 3)])
"""
    text = wave.execute(code)
    (width, height), agg = eval(text.replace(") [", "), ["))
    places = [
        ((x + 0.5) / width, (y + 0.5) / height)
        for y in range(0, height, 10)
        for x in range(0, width, 10)
    ]
    seen = wave.colours(0, places)
    far = [
        max(abs(p - q) for p, q in zip(a, b, strict=True)) for a, b in zip(agg, seen, strict=True)
    ]
    assert sum(d > 60 for d in far) <= 0.005 * len(far)
    assert sum(map(sum, agg)) < 255 * 3 * len(agg)  # and there is something to see


def test_the_harness_hears_an_exception_in_a_callback(wave):
    """Last: it breaks the slider."""
    wave.execute(BROKEN)
    wave.press("phase")
    wave.execute("import sys; print('warned', file=sys.stderr)")
    assert any("ZeroDivisionError: callback" in error for error in wave.errors)
    assert any("warned" in error for error in wave.errors)
