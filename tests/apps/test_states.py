"""The live figures in any state that their controls can bring about."""

from typing import Any

import numpy as np
import pytest
from effort import often
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from comlnviz import apps
from comlnviz.apps import BackwardInstability, FlowExplorer

LANDSCAPES = (FlowExplorer, BackwardInstability)


def control_value(name: str, control: Any) -> st.SearchStrategy:
    """Values a reader can reach with this control."""
    if isinstance(control.value, bool):
        return st.booleans()
    if hasattr(control, "options"):
        options = list(control.options)
        if isinstance(control.value, tuple):
            return st.lists(st.sampled_from(options), unique=True).map(tuple)
        # An implicit solver on the few-shot task is refused; one compilation a solver is slow.
        return st.sampled_from([o for o in options if o not in ("Kvaerno5", "Tsit5", "Dopri8")])
    if hasattr(control, "base"):
        return st.floats(control.min, control.max).map(lambda e: control.base**e)
    if isinstance(control.value, int):
        return st.integers(control.min, control.max)
    return st.floats(control.min, control.max)


def assert_sane(app: Any) -> None:
    message = app.message.value
    assert "Traceback" not in message and "Error" not in message, message
    for axes in app.figure.axes:
        assert np.all(np.isfinite([*axes.get_xlim(), *axes.get_ylim()]))
    assert len(app._describe()) > 40
    failed = [
        not bool(getattr(record, name))
        for record in [getattr(app, "_record", None)]
        for name in ("solver_ok", "forward_ok", "backward_ok")
        if hasattr(record, name)
    ]
    assert not any(failed) or message, "a failed solve says so"


@pytest.mark.parametrize("cls", apps.ALL, ids=lambda cls: cls.__name__)
def test_any_state_a_reader_can_reach_has_a_picture_or_a_sentence(cls):
    app = cls()
    names = {n: control_value(n, c) for n, c in app.controls.items()}

    # Few steps leave a surface or solver, most move a slider: as readers do, and compiling little.
    rare = (
        "problem", "solver", "dtype", "shots", "seed", "data", "method", "optimizer", "one_for",
        "depth", "rank",
    )  # fmt: skip
    examples = often(6, 60) if cls in LANDSCAPES else often(2, 10)

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def explore(data):
        if data.draw(st.integers(0, 5)) == 0:
            name = data.draw(st.sampled_from([n for n in rare if n in names]))
            app.controls[name].value = data.draw(names[name])
            assert_sane(app)
        for _ in range(20):
            name = data.draw(st.sampled_from([n for n in names if n not in rare]))
            app.controls[name].value = data.draw(names[name])
            assert_sane(app)

    explore()
    app.canvas.png()
    app.close()
