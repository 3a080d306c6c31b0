import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "hatchling",
        "build",
        "--target",
        "wheel",
        "--directory",
        folder,
    ]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


def test_the_wheel_carries_types_license_and_book(wheel):
    names = set(wheel.namelist())
    tracked = [
        p for p in (ROOT / "notebooks").rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts
    ]
    book = {f"comlnviz/{p.relative_to(ROOT).as_posix()}" for p in tracked}
    assert "comlnviz/notebooks/00_start_here.ipynb" in book
    assert book == {name for name in names if name.endswith(".ipynb")}
    assert "comlnviz/py.typed" in names
    (license,) = [name for name in names if name.endswith("licenses/LICENSE")]
    assert b"Apache License" in wheel.read(license)


def test_the_wheel_holds_nothing_else(wheel):
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith((".dist-info", ".data"))} == {"comlnviz"}
    (data,) = [name for name in wheel.namelist() if ".data/" in name]
    assert data.endswith(".data/data/etc/jupyter/jupyter_server_config.d/comlnviz.json")
    assert not [name for name in wheel.namelist() if "checkpoints" in name or "__pycache__" in name]


def test_the_book_is_found_in_a_wheel_and_in_a_clone(wheel, tmp_path):
    program = "from comlnviz.book import source; print(source())"
    wheel.extractall(tmp_path)
    for cwd, expected in (
        (tmp_path, tmp_path / "comlnviz" / "notebooks"),
        (ROOT, ROOT / "notebooks"),
    ):
        command = [sys.executable, "-c", program]
        found = subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True).stdout
        assert Path(found.strip()).resolve() == expected.resolve()


def test_importing_comlnviz_configures_nothing_and_needs_no_jupyter():
    program = """
import json, os, sys
import jax
jax.numpy, jax.scipy
before, environment = dict(jax.config.values), dict(os.environ)
import comlnviz
comlnviz.linear_flow
changed = [name for name in before if jax.config.values[name] != before[name]]
print(json.dumps([changed, environment == dict(os.environ), sorted(sys.modules)]))
"""
    command = [sys.executable, "-c", program]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    changed, same_environment, modules = json.loads(result.stdout)
    assert changed == []
    assert same_environment
    assert not {"matplotlib", "ipywidgets", "anywidget", "IPython", "nbclient"} & set(modules)
