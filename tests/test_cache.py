import os
import subprocess
import sys
import zlib

import pytest

from comlnviz import cache

NAMES = [
    "JAX_COMPILATION_CACHE_DIR",
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
    monkeypatch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "1")
    assert "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in cache.cache_environment()


def test_no_cache_where_its_folder_cannot_be(folder, monkeypatch):
    folder.write_text("a file in the way")
    assert cache.cache_environment() == {}


def test_no_cache_where_its_folder_is_not_known(folder, monkeypatch):
    monkeypatch.setattr(cache.importlib.util, "find_spec", lambda name: None)
    assert cache.cache_environment() == {}


def test_entries_cut_short_are_dropped_and_looked_at_once(folder):
    folder.mkdir()
    whole = zlib.compress(b"a program" * 99)
    for name, data in (("whole", whole), ("partial", whole[:-9]), ("empty", b"")):
        (folder / f"{name}-cache").write_bytes(data)
    cache.cache_environment()
    assert [p.name for p in folder.glob("*-cache")] == ["whole-cache"]
    old = folder / "old-cache"
    old.write_bytes(b"not whole, but seen before")
    os.utime(old, (1, 1))
    cache.cache_environment()
    assert old.exists()


def test_the_oldest_entries_go_when_there_are_too_many(folder, monkeypatch):
    folder.mkdir()
    for age in range(5):
        entry = folder / f"{age}-cache"
        entry.write_bytes(zlib.compress(os.urandom(1000)))
        os.utime(entry, (1000 - age, 1000 - age))
    monkeypatch.setattr(cache, "MAX_BYTES", 2500)
    cache.cache_environment()
    assert sorted(p.name for p in folder.glob("*-cache")) == ["0-cache", "1-cache"]


def test_the_shell_reads_what_the_file_prints(folder):
    script = f'eval "$({sys.executable} {cache.__file__})"; printf %s "$JAX_COMPILATION_CACHE_DIR"'
    result = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout == str(folder)


def test_jax_fills_the_cache_with_entries_that_stay(folder):
    program = (
        "import jax, jax.numpy as jnp\n"
        "jax.jit(lambda x: jnp.sin(x) @ x)(jnp.ones((3, 3))).block_until_ready()\n"
    )
    settings = cache.cache_environment() | {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    command = [sys.executable, "-W", "error", "-c", program]
    subprocess.run(command, env=os.environ | settings, check=True)
    (entry, *_) = folder.glob("*-cache")
    cache.tidy(folder)
    assert entry.exists()
