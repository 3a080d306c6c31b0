"""A cell that is run again and again leaves nothing behind."""

import subprocess
import sys

import pytest
from effort import often

RERUNS = """
import gc, sys, weakref
import IPython, psutil
from comlnviz.apps import FlowExplorer

class Shell:
    run = 0
    def get_parent(self):
        return {"metadata": {"cellId": "a"}, "header": {"msg_id": str(self.run)}}

shell = Shell()
IPython.get_ipython = lambda: shell
figures = []

def rerun(times):
    for _ in range(times):
        shell.run += 1
        app = FlowExplorer(problem="quadratic")
        figures.append(weakref.ref(app.canvas.figure))
        app._repr_mimebundle_()
    gc.collect()
    return psutil.Process().memory_info().rss, len(gc.get_objects())

bytes_before, objects_before = rerun(6)
bytes_after, objects_after = rerun(int(sys.argv[1]))
print(sum(figure() is not None for figure in figures))
print(objects_after - objects_before)
print(bytes_after - bytes_before)
"""


@pytest.mark.slow
@pytest.mark.timeout(660)
def test_memory_is_flat_over_many_reruns_of_a_cell():
    times = often(8, 180)
    # In a process of its own: the heap of one that has run hundreds of tests wanders by megabytes.
    child = subprocess.run(
        [sys.executable, "-c", RERUNS, str(times)],
        capture_output=True,
        text=True,
        check=True,
        timeout=600,
    )
    alive, objects, grown = map(int, child.stdout.split())
    assert alive <= 2  # the one on show, and its variable
    assert objects < 5 * times
    # Bytes: a heap wanders by ten megabytes, and each figure with its pixels is several.
    assert grown < 20e6 + times * 50_000
