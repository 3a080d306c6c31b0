"""Every notebook as a reader uses it: opened in JupyterLab, run, its sliders moved."""

import json
import shutil
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
ARTEFACTS = ROOT / "artefacts"
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
TIME = {  # elsewhere it is T
    "03_forward_sensitivity": "t",
    "04_learning_T": "T at first",
    "07_inner_loops": "meta-step",
    "08_meta_optimizers": ("meta-step", "α"),  # of each figure; both have an α
}
# What JAX reports when XLA compiles. A first drag must not: it would freeze the picture.
COUNT = """
import jax.monitoring
_comlnviz_compiled = []
def _comlnviz_count(event, duration, **_):
    if event == "/jax/core/compile/backend_compile_duration":
        _comlnviz_compiled.append(round(duration, 3))
jax.monitoring.register_event_duration_secs_listener(_comlnviz_count)
"""


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_reader_runs_it_moves_sliders_and_drags(lab, path):
    shutil.copy(path, lab.root / path.name)
    lab.open(path.name)
    lab.run_all(timeout=200)
    assert not lab.errors
    lab.execute(COUNT)
    live = "from comlnviz.apps import" in path.read_text(encoding="utf-8")
    assert (lab.figures() > 0) == live
    for figure in range(lab.figures()):
        time = TIME.get(path.stem, "T")
        time = time if isinstance(time, str) else time[figure]
        there = lab.press(time, "ArrowLeft", 3, figure)
        back = lab.press(time, "ArrowRight", 3, figure)
        assert len(set(there)) == 3, "each move shows another picture"
        assert there == [back[1], back[0], there[2]], "and back again the same ones"
    if "01" in path.name:
        before = lab.pixels(0)
        lab.drag("start point", (0.5, 0.5), (0.3, 0.6))
        assert lab.pixels(0) != before
    assert json.loads(lab.execute("print(_comlnviz_compiled)")) == []
    lab.screenshot(ARTEFACTS / f"{path.stem}-light.png")
    lab.theme(dark=True)
    try:
        lab.screenshot(ARTEFACTS / f"{path.stem}-dark.png")
    finally:
        lab.theme(dark=False)
    assert not lab.errors
