"""`comlnviz course`: a copy for a teacher, and the visible tests outside Jupyter."""

import nbformat
import pytest

from comlnviz import cli
from comlnviz.course import cells, source

NAME = "assignment_5_meta_optimizers"


@pytest.fixture
def mine(tmp_path):
    """An assignment as a student has it, solved."""
    notebook = nbformat.read(source() / "source" / NAME / f"{NAME}.ipynb", as_version=4)
    notebook.cells = [c for c in notebook.cells if "plt.show()" not in c.source]
    for cell in notebook.cells:
        cell.source = cells.released(cell.source)

    def change(*, drop=(), edit=None):
        kept = [cell for cell in notebook.cells if cells.grade_id(cell) not in drop]
        for cell in kept:
            if edit and cells.grade_id(cell) == edit[0]:
                cell.source = edit[1]
        notebook.cells = kept
        nbformat.write(notebook, tmp_path / f"{NAME}.ipynb")
        return str(tmp_path / f"{NAME}.ipynb")

    return change


def test_a_solved_assignment_passes(mine, capsys):
    assert cli.main(["course", "check", mine()]) == 0
    *verdicts, last = capsys.readouterr().out.splitlines()
    assert last.startswith("7 of 7 visible tests pass")
    assert all(line.startswith("passed   test_") for line in verdicts)


def test_a_mistake_and_a_changed_test_are_told(mine, capsys):
    wrong = "def klin(L, R, G):\n    return L @ G @ R.T\n\n\ndef as_matrix(L, R):\n    return 0"
    path = mine(drop={"test_count"}, edit=("klin", wrong))
    assert cli.main(["course", "check", path]) == 1
    out = capsys.readouterr().out
    assert "The cell 'test_count' was missing from the submission" in out
    assert "not yet  test_klin (3 points): AssertionError: U(G): R is transposed." in out
    assert "passed   test_count" in out


def test_a_changed_test_is_run_as_it_was(mine, capsys):
    path = mine(edit=("test_deep_step", "pass"))
    assert cli.main(["course", "check", path]) == 1
    out = capsys.readouterr().out
    assert "The cell 'test_deep_step' had been changed; the original was used." in out


def test_a_notebook_without_tests_is_refused(tmp_path, capsys):
    path = tmp_path / "page.ipynb"
    nbformat.write(nbformat.v4.new_notebook(), path)
    assert cli.main(["course", "check", str(path)]) == 2
    assert "has no test cells" in capsys.readouterr().err


def test_a_course_is_copied_once_and_never_over_a_teachers_work(tmp_path, capsys):
    folder = tmp_path / "mine"
    assert cli.main(["course", "new", str(folder)]) == 0
    assert (folder / "nbgrader_config.py").is_file() and (folder / "README.md").is_file()
    assert len(list((folder / "source").glob("*/*.ipynb"))) == 6
    (folder / "README.md").write_text("my own")
    assert cli.main(["course", "new", str(folder)]) == 0
    assert "Kept your README.md" in capsys.readouterr().out
    assert (folder / "README.md").read_text() == "my own"


def test_submissions_are_put_in_order_again():
    def cell(name, source, locked=True):
        marks = {"grade_id": name, "locked": locked, "grade": locked, "solution": not locked}
        return nbformat.v4.new_code_cell(source, metadata={"nbgrader": marks})

    original = [
        cell("a", "a", False), cell("test_a", "ta"), cell("b", "b", False), cell("test_b", "tb"),
    ]  # fmt: skip
    own = nbformat.v4.new_code_cell("own")
    found = [cell("a", "mine", False), own, cell("test_b", "tb"), cell("test_b", "easier")]
    remarks = cells.restore(found, original)
    assert [c.source for c in found] == ["mine", "ta", "b", "own", "tb", "tb"]
    assert [cells.grade_id(c) for c in found] == ["a", "test_a", "b", None, None, "test_b"]
    assert [why.split(";")[0] for _, why in remarks] == [
        "was missing from the submission and has been put back.",
        "was missing from the submission and has been put back.",
        "had been changed",
        "is there more than once",
    ]
