"""Every notebook as a reader uses it: opened in JupyterLab, run, its sliders moved."""

import json
import shutil
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
ARTEFACTS = ROOT / "artefacts"
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
# What JAX reports when XLA compiles. A first drag must not: it would freeze the picture.
COUNT = """
import jax.monitoring
_comlnviz_compiled = []
def _comlnviz_count(event, duration, **_):
    if event == "/jax/core/compile/backend_compile_duration":
        _comlnviz_compiled.append(round(duration, 3))
jax.monitoring.register_event_duration_secs_listener(_comlnviz_count)
"""


def picks(labels):
    """One slider for each app: the first, and each that begins the same list of labels again."""
    return [i for i, label in enumerate(labels) if i == 0 or label == labels[0]]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook(lab, path):
    shutil.copy(path, lab.root / path.name)
    lab.open(path.name)
    lab.run_all(timeout=150)
    assert not lab.errors
