"""A reader who rested sees the next picture before the kernel has heard of the move."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

pytestmark = pytest.mark.browser

CELL = (
    "from comlnviz.apps import BackwardInstability, foresight\n"
    "foresight._QUICK = 60.0  # however busy the machine is\n"
    "BackwardInstability(problem='quadratic')"
)
ASLEEP = "() => void lab.execute('import time; time.sleep(2)')"


@pytest.mark.parametrize("label", ["T", "progress"])
def test_the_picture_is_there_while_the_kernel_is_busy(lab, label):
    notebook = new_notebook(cells=[new_code_cell(CELL)])
    nbformat.write(notebook, lab.root / "foresight.ipynb")
    lab.open("foresight.ipynb")
    lab.run_all()
    before = lab.press(label, "ArrowLeft", 3)[-1]
    lab.page.wait_for_timeout(500)
    for key in ("ArrowLeft", "ArrowRight"):
        lab.page.evaluate(ASLEEP)
        lab.page.keyboard.press(key)
        lab.page.wait_for_timeout(150)
        assert lab.page.evaluate("() => !lab.quiet(0)"), "the kernel is asleep"
        foreseen = lab.pixels(0)
        assert foreseen != before
        lab.settle()
        assert lab.pixels(0) == foreseen, "the kernel's own picture is the same"
        before = foreseen
        lab.page.wait_for_timeout(500)
    assert not lab.errors
