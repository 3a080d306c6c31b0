import signal
import subprocess
import sys
import time

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from comlnviz.book import BookError
from comlnviz.execute import execute, strip_volatile

KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


@pytest.fixture
def page(tmp_path):
    def write(*cells, kernel=KERNEL):
        path = tmp_path / "page.ipynb"
        notebook = new_notebook(
            metadata={"kernelspec": kernel, "widgets": {"stale": 1}},
            cells=[new_markdown_cell("# Page"), *map(new_code_cell, cells)],
        )
        nbformat.write(notebook, path)
        return path

    return write


@pytest.mark.notebook
def test_execution_stores_outputs_and_nothing_volatile(page, tmp_path):
    widget = (
        "from ipywidgets import IntSlider\n"
        "class App(IntSlider):\n"
        "    def _repr_mimebundle_(self, **kwargs):\n"
        "        return super()._repr_mimebundle_(**kwargs) | {'text/plain': 'App()'}\n"
        "App()"
    )
    path = page(
        "import os; print(os.environ['GREETING'], os.path.basename(os.getcwd()))", "", widget
    )
    lines = []
    execute(path, environment={"GREETING": "hello"}, report=lines.append)
    first = path.read_text()
    notebook = nbformat.read(path, as_version=4)
    assert notebook.cells[1].outputs[0].text == f"hello {tmp_path.name}\n"
    assert notebook.cells[3].outputs[0].data == {"text/plain": "App()"}
    assert "widgets" not in notebook.metadata
    assert "version" not in notebook.metadata.language_info
    assert [line.split(",")[0] for line in lines] == [
        f"page.ipynb: code cell {n}/2" for n in (1, 2)
    ]
    execute(path, environment={"GREETING": "hello"}, report=lines.append)
    assert path.read_text() == first


@pytest.mark.notebook
def test_a_failing_cell_is_named_and_the_file_left_alone(page):
    path = page("1 + 1", "raise ValueError('T = -1 is negative')")
    before = path.read_text()
    with pytest.raises(BookError, match=r"code cell 2 of 2 raised ValueError: T = -1 is negative$"):
        execute(path, report=lambda line: None)
    assert path.read_text() == before
    assert [p.name for p in path.parent.iterdir()] == ["page.ipynb"]


@pytest.mark.notebook
def test_a_slow_cell_is_named(page):
    path = page("import time; time.sleep(60)")
    with pytest.raises(BookError, match=r"code cell 1 of 1 took more than 1 s"):
        execute(path, timeout=1)


@pytest.mark.notebook
def test_a_dying_kernel_is_named(page):
    path = page("import os; os._exit(1)")
    with pytest.raises(BookError, match=r"the kernel died in code cell 1 of 1"):
        execute(path)


@pytest.mark.notebook
def test_a_kernel_that_does_not_start_says_why(page, monkeypatch):
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    with pytest.raises(BookError, match=r"the kernel did not start: .*\w"):
        execute(page("1"))


@pytest.mark.notebook
def test_an_interrupted_run_ends_in_a_sentence(page):
    path = page("open('started', 'w').close()\nimport time; time.sleep(60)")
    command = [sys.executable, "-m", "comlnviz", "run", str(path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        while not (path.parent / "started").exists():
            assert process.poll() is None
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert errors == f"comlnviz run: {path}: the kernel died in code cell 1 of 1.\n"


def test_a_missing_kernel_is_named(page):
    path = page("1", kernel=KERNEL | {"name": "fortran"})
    with pytest.raises(BookError, match="'fortran' is not installed"):
        execute(path)


def test_a_lone_widget_view_stays():
    view = {"application/vnd.jupyter.widget-view+json": {"model_id": "x"}}
    cell = new_code_cell("w", outputs=[nbformat.v4.new_output("display_data", data=dict(view))])
    assert strip_volatile(new_notebook(cells=[cell])).cells[0].outputs[0].data == view
