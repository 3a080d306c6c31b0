"""Strict JAX, shapes and types checked at run time, and no browser test that skips in silence."""

import gc
import os
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# First of all: JAX reads its environment when it is imported, and importing comlnviz imports JAX.
os.environ.update(runpy.run_path(str(ROOT / "comlnviz" / "cache.py"))["cache_environment"]())

import jax
from jaxtyping import install_import_hook

# An int where a float is asked for is fine, as in Python's own typing rules.
install_import_hook("comlnviz", "strict_types.check")

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_rank_promotion", "raise")

FORBID_SKIPS = os.environ.get("COMLNVIZ_FORBID_SKIPS") == "1"


def pytest_collection_finish():
    """Look for garbage less often: what JAX has traced stays, and fills gigabytes."""
    gc.freeze()
    gc.set_threshold(100_000, 50, 1000)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Fail a browser test that skips where COMLNVIZ_FORBID_SKIPS=1 promises a browser."""
    report = yield
    skipped = report.skipped and not hasattr(report, "wasxfail")
    if FORBID_SKIPS and skipped and item.get_closest_marker("browser"):
        _forbid(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    """Fail likewise a whole module of browser tests that skips before its markers are known."""
    report = yield
    if FORBID_SKIPS and report.skipped and "browser" in collector.path.parts:
        _forbid(report)
    return report


def _forbid(report):
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    report.outcome = "failed"
    report.longrepr = f"COMLNVIZ_FORBID_SKIPS=1 forbids to skip a browser test: {reason}"
