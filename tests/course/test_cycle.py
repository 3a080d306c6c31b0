"""The whole nbgrader cycle for two students, one of whom tries everything; by its own commands."""

import json
import os
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from comlnviz.course import cells, new_course

NAME = "assignment_1_gradient_flow"
# nbgrader's commands one after the other, in one process: each takes seconds to start.
DRIVER = """
import json, os, sys
from nbgrader import utils
from nbgrader.apps.nbgraderapp import NbGraderApp
utils.get_osusername = lambda: "jovyan"  # then nbgrader asks JupyterHub who it is
for user, folder, arguments in json.loads(sys.argv[1]):
    os.environ["JUPYTERHUB_USER"] = user
    os.chdir(folder)
    print(">", user, *arguments, flush=True)
    NbGraderApp.clear_instance()
    NbGraderApp.launch_instance(arguments)
"""
NASTY = {
    # An endless loop, one that eats memory, one that deletes everything, an empty cell.
    "descend": "def descend(W0, features, labels, step_size, num_steps):\n    while True: pass",
    "euler": "def euler(field, x, T, num_steps):\n    x = []\n    while True:\n"
    "        x.append(bytearray(10**7))",
    "exact_flow": "import glob, os, shutil\nfor place in ('..', '.'):\n"
    "    shutil.rmtree(place, ignore_errors=True)\nos.remove({gradebook!r})",
    "largest_step": "",
    # One that would give itself the points.
    "order": "import sqlite3\nbook = sqlite3.connect({gradebook!r})\n"
    "book.execute('update grade set auto_score = 99')",
}


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A teacher's course and its exchange; all assignments generated, the first one released."""
    root = tmp_path_factory.mktemp("course")
    teacher = root / "teacher"
    new_course(teacher)
    (root / "exchange").mkdir(mode=0o777)
    (root / "exchange").chmod(0o777)
    (root / "jupyter").mkdir()
    extra = f"""
c.Exchange.root = {str(root / "exchange")!r}
c.ExchangeCollect.check_owner = False
c.IsolatedExecute.timeout = 4
c.IsolatedExecute.memory = 700
"""
    with (teacher / "nbgrader_config.py").open("a") as file:
        file.write(extra)
    for student in ("ada", "ben"):
        (root / student).mkdir()
        (root / student / "nbgrader_config.py").write_text(
            f"c = get_config()\nc.CourseDirectory.course_id = 'comlnviz'\n{extra}"
        )
    nbgrader(
        root,
        ("teacher", "generate_assignment", "--assignment=*"),
        ("teacher", "release_assignment", NAME),
        ("ada", "fetch_assignment", NAME),
        ("ben", "fetch_assignment", NAME),
    )
    return root


def nbgrader(root, *commands):
    steps = [(user, str(root / user), list(arguments)) for user, *arguments in commands]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # it calls alembic
    environment = {**os.environ, "PATH": path, "JUPYTER_CONFIG_DIR": str(root / "jupyter")}
    result = subprocess.run(
        [sys.executable, "-c", DRIVER, json.dumps(steps)],
        env=environment, capture_output=True, text=True, cwd=root,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stderr


def read(path):
    return nbformat.read(path, as_version=4)


def test_neither_solutions_nor_hidden_tests_leak(course):
    released = sorted((course / "teacher" / "release").glob("*/*.ipynb"))
    assert len(released) == 6
    for path in released:
        source = read(course / "teacher" / "source" / path.parent.name / path.name)
        text = path.read_text()
        assert not re.search(r"(BEGIN|END) (SOLUTION|HIDDEN)", text)
        secret = set()
        for cell in source.cells:
            visible = cells.released(re.sub(
                r"### BEGIN SOLUTION.*?### END SOLUTION", "", cell.source, flags=re.S))  # fmt: skip
            if cell.cell_type == "markdown" and cells.grade_id(cell):
                visible = ""
            lines = {line.strip() for line in visible.splitlines()}
            secret |= {line.strip() for line in cell.source.splitlines()} - lines
        shown = {line.strip() for cell in read(path).cells for line in cell.source.splitlines()}
        # What remains are lines such as `for _ in range(3):` that visible tests have as well.
        leaked = {line for line in secret & shown if len(line) > 45}
        assert leaked == set(), path.name
        empty = [c for c in cells.code(read(path).cells) if "NotImplementedError" in c.source]
        assert len(empty) == sum("### BEGIN SOLUTION" in c.source for c in source.cells)


def solve(course, student, changes=(), drop=(), double=()):
    """Fill in the reference, then spoil it."""
    path = course / student / NAME / f"{NAME}.ipynb"
    reference = {
        cells.grade_id(cell): cell.source
        for cell in read(course / "teacher" / "source" / NAME / path.name).cells
    }
    notebook, done = read(path), []
    for cell in notebook.cells:
        name = cells.grade_id(cell)
        if name and not cell.metadata.nbgrader.locked:
            cell.source = dict(changes).get(name, reference[name])
        if name in dict(changes) and cell.metadata.nbgrader.locked:
            cell.source = dict(changes)[name]
        if name not in drop:
            done.append(cell)
        if name in double:
            done.append(nbformat.from_dict(json.loads(json.dumps(cell))))
            done[-1]["id"] = f"{cell.id}-2"
    notebook.cells = done
    nbformat.write(notebook, path)


def test_two_students_go_through_it(course):
    gradebook = course / "teacher" / "gradebook.db"
    nasty = {name: code.format(gradebook=str(gradebook)) for name, code in NASTY.items()}
    solve(course, "ada")
    solve(
        course,
        "ben",
        # A test made easier, two deleted, and a solution that is there twice.
        {**nasty, "test_loss": "pass", "loss": "def loss(W, features, labels):\n    return 0.0"},
        drop={"test_gradient", "test_modified_euler"},
        double={"modified_euler"},
    )
    nbgrader(
        course,
        ("ada", "submit", NAME),
        ("ben", "submit", NAME),
        ("teacher", "collect", NAME),
        ("teacher", "autograde", NAME),
        ("teacher", "generate_feedback", NAME),
        ("teacher", "release_feedback", NAME),
        ("ada", "fetch_feedback", NAME),
    )
    points = grades(gradebook)
    assert {name: score for (student, name), score in points.items() if student == "ada"} == {
        "test_loss": 2, "test_gradient": 3, "test_descend": 2, "test_euler": 2, "test_by_flow": 1,
        "test_modified_euler": 3, "test_exact_flow": 3, "test_largest_step": 2, "test_order": 2,
    }  # fmt: skip
    earned = {name for (student, name), score in points.items() if student == "ben" and score}
    assert earned == {"test_modified_euler"}  # though its test was deleted
    text = feedback(course, "ben")
    for sentence in (
        "Question &#39;test_descend&#39; took longer than 4 s and was stopped",
        "used more than 700 MB and was stopped",
        "may change files of its own folder only",
        "name &#39;largest_step&#39; is not defined",
        "The cell &#39;test_loss&#39; had been changed; the original was used.",
        "The cell &#39;test_gradient&#39; was missing from the submission and has been put back.",
        "The cell &#39;modified_euler&#39; is there more than once; the last one counted.",
    ):
        assert sentence in text or sentence.replace("&#39;", "'") in text, sentence
    assert "Stopped" not in feedback(course, "ada")
    assert list((course / "ada" / NAME / "feedback").rglob("*.html"))


def grades(gradebook):
    """Points by student and test, straight from the database."""
    query = """
        select student.id, base_cell.name, grade.auto_score from grade
        join base_cell on grade.cell_id = base_cell.id
        join submitted_notebook on grade.notebook_id = submitted_notebook.id
        join submitted_assignment on submitted_notebook.assignment_id = submitted_assignment.id
        join student on submitted_assignment.student_id = student.id
        where grade.auto_score is not null
    """
    connection = sqlite3.connect(f"file:{gradebook}?mode=ro", uri=True)
    try:
        return {(student, name): score for student, name, score in connection.execute(query)}
    finally:
        connection.close()


def feedback(course, student):
    (page,) = (course / "teacher" / "feedback" / student / NAME).glob("*.html")
    return Path(page).read_text()
