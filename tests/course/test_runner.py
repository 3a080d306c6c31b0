"""What a submission can do to the grader, to others and to itself: nothing but fail."""

import os
import time

import psutil
import pytest
from effort import THOROUGH

from comlnviz.apps import ALL, MemoryRuntime
from comlnviz.course import Limits, run, runner

QUICK = Limits(seconds=1.5, memory=2**29)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "data.txt").write_text("of the assignment")
    (tmp_path / "others").mkdir()
    (tmp_path / "others" / "gradebook.db").write_text("grades")
    return tmp_path / "work"


def go(folder, *sources, limits=QUICK, private=()):
    names = [f"Question 'q{n}'" for n in range(len(sources))]
    return run(sources, names, folder, limits=limits, private=private)


def said(outcome):
    return outcome.error and f"{outcome.error['ename']}: {outcome.error['evalue']}"


def text(outcome):
    return "".join(o.get("text", "") for o in outcome.outputs if o["output_type"] == "stream")


def test_cells_share_a_state_and_show_what_a_notebook_shows(folder):
    shown = go(
        folder,
        "x = 2\nprint('hello', open('data.txt').read())",
        "x * 21",
        "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()",
        "%timeit -n1 -r1 pass\nraise ValueError('no')",
        "def f(:",
    )
    assert text(shown[0]) == "hello of the assignment\n"
    assert shown[1].outputs[0]["data"]["text/plain"] == "42"
    assert "image/png" in shown[2].outputs[-1]["data"]
    assert said(shown[3]) == "ValueError: no" and "line 2" in shown[3].error["traceback"][0]
    assert said(shown[4]).startswith("SyntaxError")


@pytest.mark.parametrize(
    "loop", ["while True: pass", "while True:\n    try: x = 1\n    except BaseException: pass"]
)
def test_an_endless_loop_is_stopped_named_and_the_others_are_graded(folder, loop):
    start = time.monotonic()
    first, endless, last = go(folder, "x = 5", loop, "assert x == 5; print('graded')")
    assert first.error is None and text(last) == "graded\n"
    assert "Question 'q1' took longer than 1.5 s and was stopped." in said(endless)
    assert "The other questions were graded" in said(endless)
    assert time.monotonic() - start < 20


@pytest.mark.parametrize(
    "eater",
    [
        "x = []\nwhile True: x.append(bytearray(10**7))",
        "import numpy as np\nx = [np.ones(10**6) for _ in range(10**6)]",
    ],
)
def test_a_loop_that_eats_memory_fails_and_the_others_are_graded(folder, eater):
    eating, last = go(folder, eater, "print('graded')", limits=Limits(20, 2**29))
    assert eating.error is not None
    assert "Question 'q0' used more than 512 MB" in said(eating) or "memory" in said(eating)
    assert text(last) == "graded\n"


def test_a_process_that_ends_itself_has_not_passed(folder):
    quits, last = go(folder, "import os; os._exit(0)", "print('graded')")
    assert "ended its own process" in said(quits) and text(last) == "graded\n"
    later, last = go(folder, "import os, threading\nthreading.Timer(0.3, os._exit, [0]).start()",
                     "import time; time.sleep(1)\nassert False")  # fmt: skip
    assert "ended its own process" in said(last)
    assert said(go(folder, "raise SystemExit")[0]).startswith("SystemExit")


def test_files_are_deleted_from_a_copy_only(folder):
    gone, missing = go(
        folder,
        "import os, shutil\nos.remove('data.txt')\nshutil.rmtree(os.getcwd())",
        "open('data.txt')",
    )
    assert gone.error is None and said(missing).startswith("FileNotFoundError")
    assert (folder / "data.txt").read_text() == "of the assignment"


def test_nothing_outside_the_folder_can_be_changed(folder):
    book = folder.parent / "others" / "gradebook.db"
    attempts = [
        f"open({str(book)!r}, 'w')",
        f"import os; os.remove({str(book)!r})",
        f"import shutil; shutil.rmtree({str(book.parent)!r})",
        f"import os; os.rename({str(book)!r}, 'mine')",
        f"import os; os.rename('data.txt', {str(book)!r})",
        f"import os; os.symlink({str(book)!r}, 'link'); open('link', 'a')",
        f"import os; os.unlink('gradebook.db', dir_fd=os.open({str(book.parent)!r}, os.O_RDONLY))",
        f"import sqlite3; sqlite3.connect({str(book)!r})",
        "import subprocess; subprocess.run(['true'])",
        "import os; os.system('true')",
        "import os; os.fork()",
        "import os; os.kill(os.getppid(), 9)",
        "import socket; socket.create_connection(('127.0.0.1', 9))",
        "import resource; resource.setrlimit(resource.RLIMIT_CPU, (1, 1))",
        "!true",
    ]
    for attempt, outcome in zip(attempts, go(folder, *attempts), strict=True):
        assert "A submission may" in (said(outcome) or "passed"), attempt
    assert book.read_text() == "grades"


def test_private_folders_cannot_be_read(folder):
    others = folder.parent / "others"
    read, listed, own = go(
        folder,
        f"open({str(others / 'gradebook.db')!r}).read()",
        f"import os; os.listdir({str(others)!r})",
        "import os; print(sorted(os.listdir()))",
        private=[others],
    )
    assert "may not look" in said(read) and "may not look" in said(listed)
    assert "data.txt" in text(own)


def test_a_flood_of_output_is_cut(folder):
    flood, last = go(folder, "print('x' * 10**6)", "print('graded')")
    assert len(text(flood)) < 30_000 and "characters more" in text(flood)
    assert text(last) == "graded\n"


def test_one_submission_cannot_see_another(folder):
    go(folder, "import numpy as np\nnp.pi = 3\nopen('left', 'w').write('x')")
    look = "import numpy as np, os\nassert np.pi > 3\nassert not os.path.exists('left')"
    (outcome,) = go(folder, look)
    assert outcome.error is None


def test_no_process_is_left_behind(folder):
    go(folder, "import threading, time\nthreading.Thread(target=time.sleep, args=[60]).start()")
    go(folder, "while True: pass", limits=Limits(0.5))
    (server,) = runner._workers
    deadline = time.monotonic() + 10
    while psutil.Process(server.process.pid).children() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert psutil.Process(server.process.pid).children() == []
    runner.close()
    assert server.process.poll() is not None
    assert go(folder, "print('again')")[0].error is None
    assert os.path.exists(folder)


@pytest.mark.slow
def test_a_submission_that_displays_live_figures_is_graded(folder):
    shown_apps = ALL if THOROUGH else (MemoryRuntime,)  # all take a minute or two
    show = [f"from comlnviz.apps import {app.__name__}\n{app.__name__}()" for app in shown_apps]
    *shown, last = go(folder, *show, "print('graded')", limits=Limits(120, 2**32))
    for app, outcome in zip(shown_apps, shown, strict=True):
        assert outcome.error is None, said(outcome)
        assert any("image/png" in o.get("data", {}) for o in outcome.outputs), app
        assert not [kind for o in outcome.outputs for kind in o.get("data", {}) if "widget" in kind]
    assert text(last) == "graded\n"
