"""Presenting a live figure: full screen, and keys."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

pytestmark = pytest.mark.browser

CELL = "from comlnviz.apps import BackwardInstability\napp = BackwardInstability()\napp"


def test_a_lecturer_fills_the_screen_and_moves_the_figure_by_keys(lab):
    notebook = new_notebook(cells=[new_code_cell(CELL)])
    nbformat.write(notebook, lab.root / "stage.ipynb")
    lab.open("stage.ipynb")
    lab.run_all()
    small = lab.page.locator(".comlnviz-app canvas").bounding_box()
    lab.page.get_by_role("button", name="Present").click()
    lab.wait("document.fullscreenElement?.classList.contains('comlnviz-app')")
    lab.settle()
    large = lab.page.locator(".comlnviz-app canvas").bounding_box()
    assert large["width"] > 1.1 * small["width"]
    assert lab.page.locator(".comlnviz-hint").inner_text().startswith("progress: 200")

    seen = [lab.pixels()]
    for key in ("ArrowLeft", "Shift+ArrowLeft", "Home"):
        lab.page.keyboard.press(key)
        lab.settle()
        seen.append(lab.pixels())
    assert len(set(seen)) == 4
    lab.page.keyboard.press("Space")
    lab.page.wait_for_timeout(1500)
    lab.page.keyboard.press("Space")
    lab.settle()
    assert 0 < int(lab.execute("print(app.controls['progress'].value)")) < 200
    lab.page.keyboard.press("ArrowDown")
    lab.settle()
    assert not lab.page.locator(".comlnviz-hint").inner_text().startswith("progress")
    lab.page.keyboard.press("r")
    lab.settle()
    assert lab.execute("print(app.controls['progress'].value)") == "200\n"
    assert lab.pixels() == seen[0]

    lab.page.keyboard.press("f")
    lab.wait("document.fullscreenElement === null")
    lab.settle()
    assert lab.page.locator(".comlnviz-app canvas").bounding_box()["width"] == small["width"]
    # JupyterLab has commands on r, f and the arrows: none of them reached it.
    kinds = "jupyterapp.shell.currentWidget.content.widgets.map((cell) => cell.model.type)"
    assert lab.page.evaluate(f"() => {kinds}") == ["code"]
    assert not lab.errors
