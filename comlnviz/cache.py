"""Where JAX keeps compiled programs between kernels.

The settings are environment variables for the processes that comlnviz starts: kernels, tests,
Binder. Nothing here changes the running process, and whatever the user has set stays as it is. The
file imports nothing from the package, so that ``python comlnviz/cache.py`` can print the settings
for a shell without loading JAX.
"""

import contextlib
import importlib.util
import os
import shlex
import zlib
from pathlib import Path

MAX_BYTES = 256 * 2**20
_ZSTD = b"\x28\xb5\x2f\xfd"


def cache_folder() -> Path:
    """Return the folder of all comlnviz caches: ``COMLNVIZ_CACHE``, or the user's cache folder."""
    if chosen := os.environ.get("COMLNVIZ_CACHE"):
        return Path(chosen).expanduser().absolute()
    import platformdirs

    return platformdirs.user_cache_path("comlnviz", appauthor=False)


def cache_environment() -> dict[str, str]:
    """Return the variables that turn on JAX's persistent compilation cache; tidy its folder.

    The result is empty when the user has configured a cache already, when the folder cannot be
    written, and without the ``lab`` extra, which finds the user's cache folder.
    """
    if "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return {}
    if importlib.util.find_spec("platformdirs") is None:
        return {}
    folder = cache_folder() / "jax"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tidy(folder)
    except OSError:
        return {}
    settings = {
        "JAX_COMPILATION_CACHE_DIR": str(folder),
        # JAX keeps by default only what took a second to compile, yet a notebook waits for the sum
        # of a hundred short compilations.
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.01",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    return {name: value for name, value in settings.items() if name not in os.environ}


def tidy(folder: Path) -> None:
    """Keep the newest `MAX_BYTES` of the cache's entries, and none that is cut short.

    JAX can bound the cache, too, but looks at every entry whenever it adds one. Where a writer was
    killed half-way it would warn at every start.
    """
    mark = folder / "tidied"
    last = mark.stat().st_mtime if mark.exists() else 0.0
    mark.touch()
    entries = []
    for entry in folder.glob("*-cache"):
        with contextlib.suppress(FileNotFoundError):  # somebody else is tidying
            entries.append((entry.stat(), entry))
    total = 0
    for status, entry in sorted(entries, key=lambda found: -found[0].st_mtime):
        total += status.st_size
        if total > MAX_BYTES or (status.st_mtime >= last - 1 and not _whole(entry)):
            entry.unlink(missing_ok=True)


def _whole(entry: Path) -> bool:
    """Whether an entry decompresses to its end; what is of zstd is believed."""
    with contextlib.suppress(FileNotFoundError, zlib.error):
        data = entry.read_bytes()
        if data.startswith(_ZSTD):
            return True
        stream = zlib.decompressobj()
        stream.decompress(data)
        return stream.eof
    return False


if __name__ == "__main__":
    for name, value in cache_environment().items():
        print(f"export {name}={shlex.quote(value)}")
