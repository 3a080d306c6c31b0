"""Where JAX keeps compiled programs between kernels.

The settings are environment variables for the processes that comlnviz starts: kernels, tests,
Binder. Nothing here changes the running process, and whatever the user has set stays as it is. The
file imports nothing from the package, so that ``python comlnviz/cache.py`` can print the settings
for a shell without loading JAX.
"""

import importlib.util
import os
import shlex
from pathlib import Path

MAX_BYTES = 128 * 2**20  # the book takes a third; JAX looks at every entry when it adds one


def cache_folder() -> Path:
    """Return the folder of all comlnviz caches: ``COMLNVIZ_CACHE``, or the user's cache folder."""
    if chosen := os.environ.get("COMLNVIZ_CACHE"):
        return Path(chosen).expanduser().absolute()
    import platformdirs

    return platformdirs.user_cache_path("comlnviz", appauthor=False)


def cache_environment() -> dict[str, str]:
    """Return the variables that turn on JAX's persistent compilation cache, bounded in size.

    The result is empty when the user has configured a cache already, and when the folder cannot be
    written. It is empty too without the ``lab`` extra: JAX needs ``filelock`` to bound the cache,
    and an unbounded one would grow for ever.
    """
    if "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return {}
    if not all(importlib.util.find_spec(name) for name in ("filelock", "platformdirs")):
        return {}
    folder = cache_folder() / "jax"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        drop_partial_entries(folder)
    except OSError:
        return {}
    settings = {
        "JAX_COMPILATION_CACHE_DIR": str(folder),
        "JAX_COMPILATION_CACHE_MAX_SIZE": str(MAX_BYTES),
        # JAX keeps by default only what took a second to compile, yet a notebook waits for the sum
        # of many short compilations. Below a tenth of a second little is left to gain, and every
        # entry slows the eviction, which looks at all of them.
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.1",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    return {name: value for name, value in settings.items() if name not in os.environ}


def drop_partial_entries(folder: Path) -> None:
    """Remove the entries whose writer was killed half-way: JAX would warn at every compilation.

    It writes the time stamp last, so an entry without one may be cut short.
    """
    for entry in folder.glob("*-cache"):
        if not entry.with_name(entry.name.removesuffix("-cache") + "-atime").exists():
            entry.unlink(missing_ok=True)


if __name__ == "__main__":
    for name, value in cache_environment().items():
        print(f"export {name}={shlex.quote(value)}")
