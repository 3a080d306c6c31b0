"""nbval over every notebook in a fresh kernel: numbers compared, time and memory bounded."""

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

FOLDER = Path(__file__).parents[2] / "notebooks"
LONGEST = 60.0 * 2  # seconds; two notebooks share the machine, and what was compiled is kept
MOST = 1.5e9  # bytes, of all processes together: Binder gives 2 GB


@pytest.mark.notebook
@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda path: path.stem)
def test_it_runs_with_the_same_numbers_within_time_and_memory(path, tmp_path):
    command = [sys.executable, "-m", "pytest", "--nbval-lax", "-p", "no:cacheprovider", str(path)]
    # Outside the repository: its conftest makes JAX stricter than a reader's.
    options = ["--rootdir", str(tmp_path), "-c", "/dev/null", "-q"]
    start, peak = time.monotonic(), 0
    log = tmp_path / "log"
    with log.open("w") as out:
        process = subprocess.Popen([*command, *options], stdout=out, stderr=out, cwd=tmp_path)
        while process.poll() is None:
            peak = max(peak, _kernel_bytes(process.pid))
            time.sleep(0.1)
    assert process.returncode == 0, log.read_text()[-3000:]
    assert time.monotonic() - start < LONGEST
    assert 1e8 < peak < MOST


def _kernel_bytes(pid: int) -> int:
    try:
        kernels = psutil.Process(pid).children(recursive=True)
        return sum(kernel.memory_info().rss for kernel in kernels)
    except psutil.NoSuchProcess:
        return 0
