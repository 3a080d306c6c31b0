"""An assignment as a student meets it: opened in JupyterLab, answered, validated."""

import re
from pathlib import Path

import nbformat
import pytest

from comlnviz.course import cells, source

pytestmark = pytest.mark.browser

NAME = "assignment_5_meta_optimizers"
QUESTION = "count"
STUB = 'raise NotImplementedError("not answered yet")'


def released(path: Path) -> str:
    """Write the assignment with one question open; the answer to it."""
    notebook = nbformat.read(source() / "source" / NAME / f"{NAME}.ipynb", as_version=4)
    notebook.cells = [cell for cell in notebook.cells if "plt.show()" not in cell.source]
    answer = ""
    for cell in notebook.cells:
        cell.source = cells.released(cell.source)
        if cells.grade_id(cell) == QUESTION:
            answer = cell.source
            cell.source = re.sub(
                "    ### BEGIN SOLUTION.*### END SOLUTION", f"    {STUB}", answer, flags=re.S
            )
    nbformat.write(notebook, path)
    return answer


def validate(page) -> str:
    """Press Validate; what the dialog says."""
    page.get_by_role("button", name="Validate").first.click()
    dialog = page.locator(".jp-Dialog-content")
    dialog.wait_for(timeout=60_000)
    text = dialog.inner_text()
    page.locator(".jp-Dialog-button").last.click()
    dialog.wait_for(state="detached")
    return text


def test_a_student_opens_answers_and_validates(lab):
    answer = released(lab.root / f"{NAME}.ipynb")
    lab.open(f"{NAME}.ipynb")
    assert "failed" in validate(lab.page).lower()
    cell = lab.page.locator(".jp-CodeCell .cm-content", has_text="def numbers(n, m)").first
    cell.scroll_into_view_if_needed()
    cell.click()
    lab.page.keyboard.press("Control+a")
    lab.page.keyboard.insert_text(answer)
    assert "Success! Your notebook passes all the tests." in validate(lab.page)
