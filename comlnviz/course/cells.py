"""The cells of an assignment: which are graded, what is missing, double or changed."""

from typing import Any

Cell = Any  # nbformat's NotebookNode


def grade_id(cell: Cell) -> str | None:
    """The cell's name in the assignment, if it has one."""
    return cell.metadata.get("nbgrader", {}).get("grade_id")


def is_test(cell: Cell) -> bool:
    """Whether points are given for what the cell does when it runs."""
    marks = cell.metadata.get("nbgrader", {})
    return bool(cell.cell_type == "code" and marks.get("grade") and not marks.get("solution"))


def title(cell: Cell, number: int) -> str:
    """What to call a code cell in a message."""
    name = grade_id(cell)
    return f"Question {name!r}" if name else f"Code cell {number}"


def code(cells: list[Cell]) -> list[Cell]:
    """The cells that are run."""
    return [cell for cell in cells if cell.cell_type == "code" and cell.source.strip()]


def released(source: str) -> str:
    """A locked cell as students get it: without its hidden tests."""
    lines, hidden = [], False
    for line in source.split("\n"):
        if "BEGIN HIDDEN TESTS" in line:
            hidden = True
        elif "END HIDDEN TESTS" in line:
            hidden = False
        elif not hidden:
            lines.append(line)
    return "\n".join(lines).strip()


def restore(cells: list[Cell], original: list[Cell]) -> list[tuple[Cell, str]]:
    """Put the cells back, in place, that a submission has lost or changed.

    **Arguments**

    - `cells`: of the submission; those of the original that are missing are inserted.
    - `original`: of the assignment as it was released.

    **Returns**

    The cells that were put back, each with a sentence for its author.
    """
    remarks, after = [], 0
    for cell in (cell for cell in original if grade_id(cell)):
        found = [n for n, other in enumerate(cells) if grade_id(other) == grade_id(cell)]
        locked = cell.metadata.nbgrader.get("locked")
        if not found:
            cells.insert(after, cell)
            remarks.append((cell, "was missing from the submission and has been put back."))
        elif locked and released(cells[found[-1]].source) != released(cell.source):
            cells[found[-1]].source = cell.source
            remarks.append((cells[found[-1]], "had been changed; the original was used."))
        if len(found) > 1:
            remarks.append((cells[found[-1]], "is there more than once; the last one counted."))
            for n in found[:-1]:  # nbgrader refuses a submission that has two of a name
                del cells[n].metadata["nbgrader"]
        after = max(after, found[-1] if found else after) + 1
    return remarks
