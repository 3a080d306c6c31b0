"""What nbgrader's autograding lacks: limits, isolation, and lost cells put back.

``notebooks/course/nbgrader_config.py`` puts both classes among nbgrader's own steps.
"""

import os
from pathlib import Path
from typing import Any

import nbformat
from nbgrader.preprocessors import Execute, NbGraderPreprocessor
from traitlets import Integer

from ..execute import read
from . import cells
from .runner import Limits, run


class RestoreCells(NbGraderPreprocessor):
    """Puts back the cells that a submission has lost: nbgrader would never grade those.

    It goes first, since nbgrader takes away the names of cells that are there twice. The hidden
    tests are put back by nbgrader's `OverwriteCells`, afterwards.
    """

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        course, names = _course(self), resources["nbgrader"]
        folder = course.format_path(course.release_directory, ".", names["assignment"])
        original = Path(folder) / f"{names['notebook']}.ipynb"
        if not original.is_file():
            self.log.warning("No %s: cells that were deleted stay deleted.", original)
            return nb, resources
        for cell, why in cells.restore(nb.cells, read(original).cells):
            self.log.warning("The cell %r %s", cells.grade_id(cell), why)
            notes = cell.metadata.setdefault("comlnviz", {}).setdefault("notes", [])
            notes.append(f"The cell {cells.grade_id(cell)!r} {why}\n")
        return nb, resources


class IsolatedExecute(Execute):
    """Executes each submission in a process of its own, within limits of time and memory.

    `timeout` is of one cell, in seconds, as in nbgrader. A cell that exceeds it gets no points and
    a sentence that names it, and the others are graded.
    """

    memory = Integer(2048, help="Megabytes a submission may use.").tag(config=True)

    def preprocess(self, nb: Any, resources: Any = None, km: Any = None) -> tuple[Any, Any]:
        runs = cells.code(nb.cells)
        names = [cells.title(cell, n + 1) for n, cell in enumerate(runs)]
        folder = Path(resources.get("metadata", {}).get("path") or os.curdir)
        limits = Limits(self.timeout or Limits.seconds, self.memory * 2**20)
        sources, private = [cell.source for cell in runs], _private(_course(self))
        outcomes = run(sources, names, folder, limits=limits, private=private)
        for number, (cell, outcome) in enumerate(zip(runs, outcomes, strict=True), start=1):
            notes = cell.metadata.get("comlnviz", {}).get("notes", [])
            told = [{"output_type": "stream", "text": note} for note in notes]
            cell.outputs = [_harmless(output) for output in [*told, *outcome.outputs]]
            cell.execution_count = number
        return nb, resources


def _course(preprocessor: Any) -> Any:
    """Nbgrader's course directory: known to what runs the exporter that runs the step."""
    return preprocessor.parent.parent.coursedir


def _harmless(output: dict[str, Any]) -> Any:
    """An output for nbgrader, which gives no points where anything, a warning say, is on stderr."""
    is_text = output["output_type"] == "stream"
    return nbformat.from_dict(output | {"name": "stdout"} if is_text else output)


def _private(course: Any) -> list[Path]:
    """What a submission may not read: solutions, other submissions, grades."""
    folders = (
        course.source_directory,
        course.submitted_directory,
        course.autograded_directory,
        course.feedback_directory,
    )
    root = Path(course.root)
    return [*(root / folder for folder in folders), Path(course.db_url.removeprefix("sqlite:///"))]
