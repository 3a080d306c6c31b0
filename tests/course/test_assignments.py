"""The reference gets full marks, and every typical mistake less, with a message that names it."""

import dis
import re
import time
import types
from pathlib import Path

import nbformat
import pytest
from course.mistakes import MISTAKES

from comlnviz.course import Limits, cells, run

SOURCE = Path(__file__).parents[2] / "notebooks" / "course" / "source"
ASSIGNMENTS = sorted(path.name for path in SOURCE.iterdir() if path.is_dir())
LIMITS = Limits(seconds=20)


def read(assignment):
    return nbformat.read(SOURCE / assignment / f"{assignment}.ipynb", as_version=4)


def grade(assignment, runs):
    """Points, the points there are, and what each failed test says."""
    names = [cells.title(cell, n) for n, cell in enumerate(runs)]
    outcomes = run([cell.source for cell in runs], names, SOURCE / assignment, limits=LIMITS)
    points, most, failures = 0, 0, {}
    for cell, outcome in zip(runs, outcomes, strict=True):
        if cells.is_test(cell):
            most += cell.metadata.nbgrader.points
            if outcome.error is None:
                points += cell.metadata.nbgrader.points
            else:
                failures[cells.grade_id(cell)] = outcome.error["evalue"]
    return points, most, failures, outcomes


def graded(assignment, test=None):
    """Without figures; with a test, only what stands before it, and it alone of the tests."""
    runs = [cell for cell in cells.code(read(assignment).cells) if cells.grade_id(cell)]
    if test is None:
        return runs
    (last,) = [n for n, cell in enumerate(runs) if cells.grade_id(cell) == test]
    return [cell for cell in runs[:last] if not cells.is_test(cell)] + [runs[last]]


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_the_reference_gets_full_marks_in_time_and_in_silence(assignment):
    runs = cells.code(read(assignment).cells)
    start = time.monotonic()
    points, most, failures, outcomes = grade(assignment, runs)
    assert failures == {}
    assert points == most > 0
    assert time.monotonic() - start < 15 * 2  # two tests share the machine
    outputs = [output for outcome in outcomes for output in outcome.outputs]
    assert not [o for o in outputs if o["output_type"] == "error" or o.get("name") == "stderr"]
    assert [o for o in outputs if "image/png" in o.get("data", {})]


HIDDEN = re.compile(r"### BEGIN HIDDEN TESTS\n(.*?)### END HIDDEN TESTS", re.DOTALL)


def names_of(source):
    """What a cell takes from earlier cells, and what it leaves to later ones."""
    code = compile(source, "cell", "exec")
    taken, left = set(), set()
    for instruction in dis.get_instructions(code):
        if instruction.opname == "LOAD_NAME" and instruction.argval not in left:
            taken.add(instruction.argval)
        elif instruction.opname == "STORE_NAME":
            left.add(instruction.argval)
    inner = [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
    while inner:
        code = inner.pop()
        inner += [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
        taken |= {i.argval for i in dis.get_instructions(code) if i.opname == "LOAD_GLOBAL"} - left
    return taken, left


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_what_hidden_tests_compute_reaches_no_other_cell(assignment):
    """Or a graded notebook would run on other numbers than a student's own."""
    hidden = {}
    for cell in cells.code(read(assignment).cells):
        taken, left = names_of(HIDDEN.sub("", cell.source))
        assert not {name: hidden[name] for name in taken & set(hidden)}
        hidden = {name: test for name, test in hidden.items() if name not in left}
        tests = "\n".join(HIDDEN.findall(cell.source))
        hidden |= dict.fromkeys(names_of(tests)[1], cells.grade_id(cell))


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_a_test_needs_no_other_test(assignment):
    runs = graded(assignment)
    tests = [cell for cell in runs if cells.is_test(cell)]
    rest = [cell for cell in runs if not cells.is_test(cell)]
    *_, failures, _ = grade(assignment, rest + tests[::-1])
    assert failures == {}


@pytest.mark.parametrize(
    ("assignment", "mistake"),
    [
        pytest.param(assignment, mistake, id=f"{assignment[11]}-{mistake[0]}-{mistake[4]}")
        for assignment, mistakes in MISTAKES.items()
        for mistake in mistakes
    ],
)
def test_a_mistake_costs_points_and_is_named(assignment, mistake):
    where, old, new, test, says = mistake
    runs = graded(assignment, test)
    (cell,) = [cell for cell in runs if cells.grade_id(cell) == where]
    assert old is None or old in cell.source, "the mistake cannot be planted"
    cell.source = new if old is None else cell.source.replace(old, new, 1)
    points, most, failures, _ = grade(assignment, runs)
    assert points == 0 < most
    assert says in failures.get(test, "passed"), failures


def test_every_assignment_has_mistakes_planted_in_most_of_its_questions():
    assert list(MISTAKES) == ASSIGNMENTS
    for assignment, mistakes in MISTAKES.items():
        assert len(mistakes) >= 8
        questions = {cells.grade_id(c) for c in graded(assignment) if cells.is_test(c)}
        assert len({mistake[3] for mistake in mistakes}) >= len(questions) - 1


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_it_is_made_as_a_course_should_be(assignment):
    notebook = read(assignment)
    ids = [cells.grade_id(cell) for cell in notebook.cells if cells.grade_id(cell)]
    assert len(ids) == len(set(ids))
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    assert "**Guess first.**" in text and "<details>" in text and "in red" not in text
    total = sum(cell.metadata.get("nbgrader", {}).get("points", 0) for cell in notebook.cells)
    assert re.search(rf"· {total:g} points ·", text), total
    for cell in notebook.cells:
        marks = cell.metadata.get("nbgrader", {})
        assert not re.search(r"ipywidgets|comlnviz\.apps", cell.source) or not marks
        if cells.is_test(cell):
            assert "### BEGIN HIDDEN TESTS" in cell.source and "fresh()" in cell.source
            assert marks["locked"] and marks["points"] > 0
        if cell.cell_type == "code":
            assert cell.outputs == [] and cell.execution_count is None
            if marks.get("solution"):
                assert "### BEGIN SOLUTION" in cell.source
    by_hand = [c for c in notebook.cells if c.cell_type == "markdown" and cells.grade_id(c)]
    assert (by_hand and "point each" in text.lower()) or "points)" in text
