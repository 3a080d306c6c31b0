"""Run an assignment's visible tests outside Jupyter."""

from dataclasses import dataclass
from pathlib import Path

from ..book import BookError
from ..execute import read
from . import cells
from .folder import source
from .runner import Limits, run


@dataclass(frozen=True)
class Verdict:
    """What came of a question: its name, its points, and why it failed, or ''."""

    question: str
    points: float
    failure: str


def check(path: Path, limits: Limits = Limits()) -> tuple[list[Verdict], list[str]]:  # noqa: B008
    """Run the notebook at ``path``, in a copy of its folder, and judge every test in it.

    **Returns**

    The verdicts in the notebook's order, and sentences on test cells that are missing, double or
    changed, when the notebook is one of ours. Those are run as they were.

    **Raises** `BookError` for a notebook without tests.
    """
    notebook = read(path)
    remarks = []
    ours = source() / "source" / path.stem / f"{path.stem}.ipynb"
    if ours.is_file():
        changed = cells.restore(notebook.cells, _students(read(ours).cells))
        remarks = [f"The cell {cells.grade_id(cell)!r} {why}" for cell, why in changed]
    runs = cells.code(notebook.cells)
    tests = [n for n, cell in enumerate(runs) if cells.is_test(cell)]
    if not tests:
        raise BookError(f"{path} has no test cells; give an assignment of the course.")
    names = [cells.title(cell, n + 1) for n, cell in enumerate(runs)]
    outcomes = run([cell.source for cell in runs], names, path.resolve().parent, limits=limits)
    verdicts = []
    for n in tests:
        error, marks = outcomes[n].error, runs[n].metadata.nbgrader
        failure = f"{error['ename']}: {error['evalue']}" if error else ""
        verdicts.append(Verdict(marks["grade_id"], marks.get("points", 0), failure))
    return verdicts, remarks


def _students(original: list[cells.Cell]) -> list[cells.Cell]:
    """Our cells without what students do not see."""
    for cell in original:
        marks = cell.metadata.get("nbgrader", {})
        if marks.get("solution") and cell.cell_type == "code":
            cell.source = 'raise NotImplementedError("This cell was missing.")'
        else:
            cell.source = cells.released(cell.source)
    return original
