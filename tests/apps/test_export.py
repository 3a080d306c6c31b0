"""`comlnviz export`: every figure as files."""

from comlnviz import cli
from comlnviz.apps import MemoryRuntime
from comlnviz.apps.export import export


class Told(MemoryRuntime):
    """A figure with a story that is quickly told."""

    def export(self, path):
        path.write_text("moves")
        return path


def test_pictures_and_animations_are_written(tmp_path):
    paths = list(export(tmp_path / "figures", (MemoryRuntime, Told)))
    assert [path.name for path in paths] == [
        "MemoryRuntime.png", "MemoryRuntime.svg", "Told.png", "Told.svg", "Told.gif", "Told.html",
    ]  # fmt: skip
    assert paths[0].read_bytes().startswith(b"\x89PNG") and "<svg" in paths[1].read_text()
    assert all(path.stat().st_size for path in paths)


def test_the_command_writes_all_figures(tmp_path, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr("comlnviz.apps.export.export", lambda f: asked.append(f) or [f / "A.png"])
    assert cli.main(["export", str(tmp_path)]) == 0
    assert asked == [tmp_path] and capsys.readouterr().out == f"{tmp_path / 'A.png'}\n"
