import importlib.util
import os
import subprocess
import sys

import pytest

from comlnviz import book, cli


@pytest.fixture
def pages(tmp_path, monkeypatch):
    """A small book in place of the real one."""
    folder = tmp_path / "pages"
    (folder / "extra").mkdir(parents=True)
    (folder / "course").mkdir()
    (folder / ".ipynb_checkpoints").mkdir()
    (folder / book.FIRST).write_text("start")
    (folder / "extra" / "01.ipynb").write_text("one")
    (folder / "course" / "solutions.ipynb").write_text("for teachers")
    (folder / ".ipynb_checkpoints" / "x.ipynb").write_text("stale")
    monkeypatch.setattr(book, "source", lambda: folder)
    return folder


@pytest.fixture
def started(monkeypatch):
    """Catch the command that `lab` would become."""
    commands = []

    def execve(path, command, environment):
        commands.append((command, environment))
        raise SystemExit(0)

    monkeypatch.setattr(os, "execve", execve)
    return commands


def sentences(text):
    assert "Traceback" not in text
    return text.strip().splitlines()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "COMMAND"),
        (["learn"], "'learn'"),
        (["run"], "NOTEBOOK"),
        (["run", "a.ipynb", "--timeout", "0"], "'0' is no time limit"),
        (["run", "a.ipynb", "--timeout", "soon"], "'soon' is no time limit"),
        (["lab", "--port", "99999"], "'99999' is no port"),
        (["lab", "a", "b"], "unrecognized arguments: b"),
        (["doctor", "--fast"], "--fast"),
    ],
)
def test_bad_arguments_give_one_sentence_and_exit_code_2(arguments, says, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    assert stop.value.code == 2
    (sentence,) = sentences(capsys.readouterr().err)
    assert says in sentence


def test_module_and_version():
    command = [sys.executable, "-m", "comlnviz", "--version"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout == "comlnviz 0.1.0\n"


def test_lab_copies_the_book_and_opens_its_first_page(pages, started, tmp_path, capsys):
    folder = tmp_path / "mine"
    with pytest.raises(SystemExit):
        cli.main(["lab", str(folder), "--no-browser", "--port", "8899"])
    copied = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    assert copied == ["00_start_here.ipynb", "extra/01.ipynb"]
    ((command, environment),) = started
    assert command[1:3] == ["-m", "jupyterlab"]
    assert f"--ServerApp.root_dir={folder.resolve()}" in command
    assert "--LabApp.default_url=/lab/tree/00_start_here.ipynb" in command
    assert {"--no-browser", "--port=8899"} <= set(command)
    assert environment["JAX_COMPILATION_CACHE_DIR"]
    assert "open the address" in capsys.readouterr().out


def test_lab_never_overwrites_a_readers_notebook(pages, started, tmp_path, capsys):
    folder = tmp_path / "mine"
    for _ in range(2):
        with pytest.raises(SystemExit):
            cli.main(["lab", str(folder)])
        assert "Kept" not in capsys.readouterr().out
    (folder / "extra" / "01.ipynb").write_text("a reader's work")
    (folder / book.FIRST).unlink()
    with pytest.raises(SystemExit):
        cli.main(["lab", str(folder)])
    assert (folder / "extra" / "01.ipynb").read_text() == "a reader's work"
    assert (folder / book.FIRST).read_text() == "start"
    kept = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Kept")]
    assert len(kept) == 1 and os.path.join("extra", "01.ipynb") in kept[0]


def test_lab_in_a_clone_opens_the_notebooks_themselves(pages, started):
    with pytest.raises(SystemExit):
        cli.main(["lab", str(pages)])
    ((command, _),) = started
    assert f"--ServerApp.root_dir={pages.resolve()}" in command


def test_lab_into_a_file_is_refused(pages, started, tmp_path, capsys):
    (tmp_path / "taken").write_text("")
    assert cli.main(["lab", str(tmp_path / "taken")]) == 2
    (sentence,) = sentences(capsys.readouterr().err)
    assert "taken is a file" in sentence and not started


def test_without_a_display_no_browser_is_started(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert not book.has_display()
    monkeypatch.setenv("DISPLAY", ":0")
    assert book.has_display()


def test_a_missing_extra_is_named(monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert cli.main(["lab"]) == 2
    (sentence,) = sentences(capsys.readouterr().err)
    assert 'pip install "comlnviz[lab]"' in sentence


@pytest.mark.parametrize("text", [None, "{", '{"cells": 3}', "{}"])
def test_run_refuses_what_is_no_notebook(text, tmp_path, capsys):
    path = tmp_path / "page.ipynb"
    if text is not None:
        path.write_text(text)
    assert cli.main(["run", str(path)]) == 2
    (sentence,) = sentences(capsys.readouterr().err)
    assert "page.ipynb" in sentence


def test_the_command_line_answers_before_jax_is_loaded():
    program = "import sys; from comlnviz import cli; cli._parser(); assert 'jax' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)
