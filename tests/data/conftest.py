"""A cache folder of its own for each test, and the real Omniglot where it is at hand."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("COMLNVIZ_CACHE", str(folder))
    monkeypatch.delenv("COMLNVIZ_DATA", raising=False)
    return folder


_CHOSEN = os.environ.get("COMLNVIZ_DATA")


@pytest.fixture
def published():
    """The folder with the published files of datasets."""
    folder = Path(_CHOSEN) if _CHOSEN else ROOT.parent / "shared" / "data"
    if not (folder / "omniglot").is_dir():
        pytest.skip("Omniglot's minimal splits are not at hand: set COMLNVIZ_DATA to their folder")
    return folder
