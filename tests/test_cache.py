import os
import subprocess
import sys

import pytest

from comlnviz import cache

NAMES = [
    "JAX_COMPILATION_CACHE_DIR",
    "JAX_COMPILATION_CACHE_MAX_SIZE",
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES",
]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COMLNVIZ_CACHE", str(tmp_path))
    return tmp_path / "jax"


def test_settings_name_the_users_folder(folder):
    settings = cache.cache_environment()
    assert list(settings) == NAMES
    assert settings["JAX_COMPILATION_CACHE_DIR"] == str(folder)


def test_a_users_own_cache_stays(folder, monkeypatch):
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "/mine")
    assert cache.cache_environment() == {}


def test_a_users_own_threshold_stays(folder, monkeypatch):
    monkeypatch.setenv("JAX_COMPILATION_CACHE_MAX_SIZE", "1")
    assert "JAX_COMPILATION_CACHE_MAX_SIZE" not in cache.cache_environment()


def test_no_cache_where_its_folder_cannot_be(folder, monkeypatch):
    folder.write_text("a file in the way")
    assert cache.cache_environment() == {}


def test_no_cache_where_jax_could_not_bound_it(folder, monkeypatch):
    monkeypatch.setattr(cache.importlib.util, "find_spec", lambda name: None)
    assert cache.cache_environment() == {}


def test_partial_entries_are_dropped(folder):
    folder.mkdir()
    for name in ("whole-cache", "whole-atime", "partial-cache"):
        (folder / name).write_bytes(b"x")
    cache.cache_environment()
    assert sorted(p.name for p in folder.iterdir()) == ["whole-atime", "whole-cache"]


def test_the_shell_reads_what_the_file_prints(folder):
    script = f'eval "$({sys.executable} {cache.__file__})"; printf %s "$JAX_COMPILATION_CACHE_DIR"'
    result = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout == str(folder)


def test_jax_fills_the_cache_and_keeps_to_the_bound(folder):
    program = (
        "import jax, jax.numpy as jnp\n"
        "assert jax.config.jax_compilation_cache_max_size == 128 * 2**20\n"
        "jax.jit(lambda x: jnp.sin(x) @ x)(jnp.ones((3, 3))).block_until_ready()\n"
    )
    settings = cache.cache_environment() | {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    command = [sys.executable, "-W", "error", "-c", program]
    subprocess.run(command, env=os.environ | settings, check=True)
    assert list(folder.glob("*-cache"))
