"""The live figures, driven as a reader drives them: through their controls."""

import base64
import io
import json
import subprocess
import sys
from typing import Any

import jax
import numpy as np
import pytest
from PIL import Image

from comlnviz import apps
from comlnviz.apps import (
    AdjointTradeoff,
    BackwardInstability,
    FewShotLab,
    FlowExplorer,
    FreezeLab,
    InnerOptimizerLab,
    LearnT,
    MemoryRuntime,
    MetaOptimizerLab,
    RatingsLab,
    RegressionAdaptation,
    SensitivityExplorer,
)

LANDSCAPES = (FlowExplorer, BackwardInstability)


@pytest.fixture(scope="module", params=apps.ALL, ids=lambda app: app.__name__)
def app(request):
    app = request.param()
    yield app
    app.close()


def leading(app: Any) -> str:
    """The control of time, or another that takes 10 and 55."""
    return next(name for name in ("T", "t", "condition", "alpha") if name in app.controls)


def test_the_newest_of_many_quick_changes_is_shown_after_one_computation(app, monkeypatch):
    app.reset()
    assert app.figure
    count = 0
    update = type(app)._update

    def counted(self):
        nonlocal count
        count += 1
        return update(self)

    monkeypatch.setattr(type(app), "_update", counted)
    for exponent in np.linspace(-1, 1, 100):
        app.controls[leading(app)].value = 10**exponent
    assert app.figure
    assert count <= 2
    assert app.controls[leading(app)].value == pytest.approx(10.0)
    if isinstance(app, LANDSCAPES):
        times = app._record.flow_t if hasattr(app._record, "flow_t") else app._record.t
        assert times[-1] == pytest.approx(10.0)


def test_a_move_draws_no_background(app):
    app.reset()
    if isinstance(app, FlowExplorer):
        app.keep()
    app.controls[leading(app)].value = 10.0
    assert app.figure
    background = app.canvas._background
    for value in (12.0, 15.0, 20.0):
        app.controls[leading(app)].value = value
        assert app.figure
    assert app.canvas._background is background


def test_nothing_compiles_while_a_slider_moves(app):
    app.reset()
    assert app.figure
    compiled: list[str] = []
    listener = lambda event, duration, **_: compiled.append(event)
    jax.monitoring.register_event_duration_secs_listener(listener)
    try:
        for name, control in app.controls.items():
            if hasattr(control, "options") or name == "seed":
                continue
            if isinstance(control.value, bool):
                control.value = not control.value
                assert app.figure
                continue
            for share in (0.3, 0.5, 0.7):
                value = control.min + share * (control.max - control.min)
                value = control.base**value if hasattr(control, "base") else value
                control.value = type(control.value)(value)
                assert app.figure
        assert not [e for e in compiled if "backend_compile" in e]
    finally:
        jax.monitoring.unregister_event_duration_listener(listener)
        app.reset()


STATES = [
    (FlowExplorer, dict(problem="few-shot digits", T=7.3, shots=2, seed=3), "record.flow_xy"),
    (BackwardInstability, dict(problem="logistic regression", T=31.0), "record.backward_xy"),
    (SensitivityExplorer, dict(seed=2), "record.B"),
    (LearnT, dict(shots=2, noise=0.3), "curves.query_loss"),
    (AdjointTradeoff, dict(T=2.0, num_states=14, method="order 4"), "record.gradient"),
    (RegressionAdaptation, dict(problem="Alpine", method="MAML", noise=0.2), "record.fits"),
    (RatingsLab, dict(problem="tastes", user=7, shots=5), "record.adapted"),
    (FewShotLab, dict(method="ANIL", shots=2, seed=5), "answers.probabilities"),
    (InnerOptimizerLab, dict(problem="one neuron", seed=4), "record.paths"),
    (FreezeLab, dict(C4=True, alpha=0.3, seed=2), "record.accuracy"),
    (MetaOptimizerLab, dict(model="LR w/ KLin", alpha=3.0, tilt=20.0), "record.accuracy"),
    (MemoryRuntime, dict(methods=("ANIL", "COMLN, Gram"), T=5.0), "record.bytes"),
]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_code_gives_the_same_arrays_in_a_fresh_process():
    here, script = [], "import json\n"
    for cls, values, array in STATES:
        app = cls(**values)
        assert app.figure
        script += f"space = {{}}\nexec({app.code()!r}, space)\n"
        script += f'print("ARRAY", json.dumps(eval({array!r}, space).tolist()))\n'
        record, attribute = array.split(".")
        here.append(np.asarray(getattr(getattr(app, f"_{record}"), attribute), float))
        app.close()
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    lines = [line[6:] for line in out.stdout.splitlines() if line.startswith("ARRAY ")]
    for (cls, *_), line, array in zip(STATES, lines, here, strict=True):
        np.testing.assert_array_equal(np.array(json.loads(line)), array, err_msg=cls.__name__)


def test_the_mime_bundle_stands_without_a_kernel(app):
    data, metadata = app._repr_mimebundle_()
    stored, whole = base64.b64decode(data["image/png"]), app.canvas.png()
    pixels = lambda png: np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), int)
    assert (
        np.abs(pixels(stored) - pixels(whole)).mean() < 1.0
    )  # of 255: few colours, the same picture
    assert len(stored) < 0.6 * len(whole)
    assert "application/vnd.jupyter.widget-view+json" in data
    assert data["text/plain"] == repr(app) == f"{type(app).__name__}()"
    assert metadata["image/png"]["alt"] == app._describe()


def test_every_control_says_what_it_is(app):
    for name, control in app.controls.items():
        assert control.description, name
        assert len(control.tooltip) > 15, name


def test_reset_restores_the_opening_values(app):
    before = {n: c.value for n, c in app.controls.items()}
    app.reset()
    opening = {n: c.value for n, c in app.controls.items()}
    app.controls[leading(app)].value = 55.0
    if "problem" in app.controls:
        app.controls["problem"].value = app.controls["problem"].options[1]
    app.reset()
    assert {n: c.value for n, c in app.controls.items()} == opening
    assert before.keys() == opening.keys()


def test_a_wrong_control_or_value_is_refused_in_a_sentence():
    with pytest.raises(ValueError, match=r"no control 'speed': choose from"):
        FlowExplorer(speed=1)
    with pytest.raises(ValueError, match=r"'problem' does not take 'cubic'"):
        FlowExplorer(problem="cubic")


def test_a_refused_state_keeps_the_picture_marks_it_stale_and_says_why():
    app = FlowExplorer()
    app.controls["solver"].value = "Kvaerno5"
    assert "implicit" in app.message.value
    assert "comlnviz-stale" in app.canvas._dom_classes
    app.controls["solver"].value = "Dopri5"
    assert app.message.value == ""
    assert "comlnviz-stale" not in app.canvas._dom_classes
    app.close()


def test_euler_with_step_alpha_lies_on_gradient_descent():
    app = FlowExplorer(problem="logistic regression", solver="Euler", step=0.5, alpha=0.5, T=10.0)
    record = (app.figure, app._record)[1]
    steps = int(record.steps_done)
    assert steps == 20
    np.testing.assert_allclose(
        record.steps_xy[: steps + 1], record.descent_xy[: steps + 1], atol=1e-12
    )
    assert "Euler is gradient descent" in app._picture.readout[-1].get_text()
    app.close()


@pytest.mark.parametrize("cls", LANDSCAPES, ids=lambda cls: cls.__name__)
def test_the_lower_right_shows_one_panel_at_a_time(cls):
    app = cls(problem="few-shot digits")
    for panel in (*app.controls["panel"].options, app.controls["panel"].options[0]):
        app.controls["panel"].value = panel
        places = [ax.get_position().bounds for ax in app.figure.axes if ax.get_visible()]
        assert len({(round(x, 2), round(y, 1)) for x, y, _, _ in places}) == 3 == len(places)
    app.close()


def test_divergence_and_exhaustion_are_said():
    app = FlowExplorer(problem="quadratic", alpha=3.0, T=100.0)
    assert "diverged" in app.message.value
    app.controls["alpha"].value = 0.5
    app.controls["solver"].value = "Euler"
    app.controls["step"].value = 0.01
    assert "used up its 2000 steps, at t = 20" in app.message.value
    app.close()


def test_going_back_grows_as_predicted_and_float64_comes_back_further():
    app = BackwardInstability(problem="quadratic", T=20.0, tolerance=1e-6)
    record = (app.figure, app._record)[1]
    middle = len(record.t) // 2
    growth = np.log(record.distance[0] / record.distance[middle])
    assert growth == pytest.approx(20.0 / 2, rel=0.05)  # the largest curvature is 1
    app.controls["tolerance"].value = 1e-10
    rough = (app.figure, app._record.distance[0])[1]
    app.controls["dtype"].value = "float64"
    assert (app.figure, app._record.distance[0])[1] < rough / 100
    app.close()


def test_compare_shows_the_remedies_and_goes_stale():
    app = BackwardInstability(problem="logistic regression", T=100.0, tolerance=1e-6)
    errors = app.compare()
    assert set(errors) == {"Backsolve", "StoredStates", "ForwardSensitivity", "GramAdjoint"}
    assert errors["GramAdjoint"] < 1e-2 and errors["ForwardSensitivity"] < 1e-2
    assert not errors["Backsolve"] < 1e-3
    assert "earlier" not in app._picture.bars_note.get_text()
    app.controls["T"].value = 50.0
    assert (app.figure, app._picture.bars_note.get_text())[1].startswith("of an earlier state")
    app.close()


def test_an_adjoint_that_fails_says_why_and_a_sweep_goes_with_its_state():
    app = AdjointTradeoff(T=2.0, num_states=4)
    assert "Store more states" in app.message.value
    app.controls["num_states"].value = 50
    assert app.message.value == ""
    errors = app.sweep()
    assert errors.shape == (len(app.controls["num_states"].options),) and errors[-1] < 1e-3
    assert len(app._picture.swept.get_xdata()) == len(errors)
    app.controls["T"].value = 1.0
    assert app.figure and not len(app._picture.swept.get_xdata())
    app.controls["method"].value = "back-solving"
    app.controls["T"].value = 10.0
    assert "used up its 200 steps at t = " in app.message.value
    with pytest.raises(ValueError, match="stores no states"):
        app.sweep()
    app.close()


@pytest.mark.parametrize("suffix", [".gif", ".html"])
def test_the_animation_is_written_whole(tmp_path, suffix, monkeypatch):
    app = BackwardInstability()
    monkeypatch.setattr(np, "linspace", _few_frames(np.linspace))
    path = app.export(tmp_path / f"story{suffix}")
    assert path.stat().st_size > 10_000
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    app.close()


def _few_frames(linspace):
    return lambda a, b, n=50, **kw: linspace(a, b, 4 if n == 61 else n, **kw)


def test_an_unknown_animation_format_is_refused_in_a_sentence(tmp_path):
    app = BackwardInstability()
    with pytest.raises(ValueError, match=r"'story.avi' must end in one of .gif, .mp4, .html"):
        app.export(tmp_path / "story.avi")
    app.close()


@pytest.mark.parametrize("problem", ["quadratic", "few-shot digits"])
def test_panels_in_one_place_never_show_at_once(problem):
    explorer = FlowExplorer(problem=problem)
    places = [
        tuple(axes.get_position().bounds) for axes in explorer.figure.axes if axes.get_visible()
    ]
    assert len(places) == len(set(places)) == 3
    explorer.close()
