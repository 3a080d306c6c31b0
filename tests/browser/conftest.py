"""One JupyterLab for all browser tests: it takes seconds to start."""

import runpy
from pathlib import Path

import pytest

# By path: with --import-mode=importlib the tests are no package that could import it.
harness = runpy.run_path(str(Path(__file__).parent / "lab.py"))


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """A running `Lab`; its root is `lab.root`."""
    if reason := harness["missing"]():
        pytest.skip(reason)
    with harness["Lab"](tmp_path_factory.mktemp("lab")) as running:
        yield running
