"""What ``comlnviz course`` does: lines to print, and whether all is well."""

from pathlib import Path

from .check import check as check_notebook
from .folder import new_course
from .runner import Limits


def new(folder: Path) -> tuple[list[str], bool]:
    """Copy the course for a teacher."""
    lines = [
        f"Kept your {kept}, which differs from the course's; rename it to get the course's as well."
        for kept in new_course(folder)
    ]
    return [*lines, f"The course is in {folder}; README.md there says how to use it."], True


def check(notebook: Path, seconds: float) -> tuple[list[str], bool]:
    """Run the visible tests of an assignment."""
    verdicts, remarks = check_notebook(notebook, Limits(seconds=seconds))
    lines = list(remarks)
    for verdict in verdicts:
        mark = "not yet" if verdict.failure else "passed "
        reason = f": {verdict.failure}" if verdict.failure else ""
        lines.append(f"{mark}  {verdict.question} ({verdict.points:g} points){reason}")
    passed = sum(not verdict.failure for verdict in verdicts)
    lines.append(f"{passed} of {len(verdicts)} visible tests pass; grading has hidden ones, too.")
    return lines, passed == len(verdicts) and not remarks
