"""Who computes: this process, a pool of processes on this machine, or a cluster of Dask.

The pool needs nothing to be started, and listens to this machine alone, encrypted. A cluster is
whatever has a scheduler of Dask, and workers in which comlnviz is installed. Folders of results and
caches (`COMLNVIZ_CACHE`) and data (`COMLNVIZ_DATA`) are to be the same for all of them. By hand:

    dask scheduler                                       # says tcp://10.0.0.1:8786, say
    dask worker tcp://10.0.0.1:8786 --nthreads 1         # on each machine, once a device
    comlnviz reproduce --all --scheduler tcp://10.0.0.1:8786

Under SLURM dask-jobqueue asks for the machines (`pip install dask-jobqueue`). This process holds
the scheduler, so it has to stay:

    from dask_jobqueue import SLURMCluster

    cluster = SLURMCluster(
        cores=1, processes=1, job_cpu=8, memory="16GB", walltime="04:00:00",
        job_extra_directives=["--gres=gpu:1"],
    )
    cluster.adapt(maximum_jobs=16)
    print(cluster.scheduler_address)

`cores=1` is one cell at a time, `job_cpu` what it may use for it. A job that SLURM ends in between
is not lost: its cell goes on from its last checkpoint, on the next machine.
"""

import concurrent.futures as cf
import contextlib
import importlib.util
import logging
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

from ..cache import cache_environment
from ..counts import check_counts


class Pool(NamedTuple):
    """Who computes.

    **Fields:**

    - `executor`: takes jobs, as those of `concurrent.futures`.
    - `room`: how many jobs to give it at a time.
    """

    executor: cf.Executor
    room: float


class _Here(cf.Executor):
    """This process, one job after another."""

    def submit(self, fn, /, *args, **kwargs):  # pyright: ignore[reportIncompatibleMethodOverride]
        future = cf.Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # not what stops the process
            future.set_exception(error)
        return future


HERE = Pool(_Here(), 1)


@contextlib.contextmanager
def pool_of(
    workers: int = 1, scheduler: str | None = None, patience: float = 5.0
) -> Iterator[Pool]:
    """This process for one worker, so many processes, or the cluster of a scheduler.

    What the processes are at when the context ends is given up. One that dies is replaced, and its
    job given to another; a job that has brought four down is given up.

    **Arguments:**

    - `workers`: how many processes, at least 1.
    - `scheduler`: the address of Dask's scheduler, such as "tcp://10.0.0.1:8786".
    - `patience`: seconds that it has to answer.

    **Raises** `ValueError` for fewer workers than 1, when no scheduler answers, and when the
    `sweep` extra is not installed.
    """
    check_counts(workers=workers)
    if scheduler is None and workers == 1:
        yield HERE
        return
    if importlib.util.find_spec("distributed") is None:
        raise ValueError('distributed is not installed; pip install "comlnviz[sweep]" brings it.')
    import distributed

    with contextlib.ExitStack() as stack:
        address: Any = scheduler
        if scheduler is None:
            how: Any = dict(
                threads_per_worker=1, memory_limit=0, security=True, env=_environment(),
                dashboard_address="127.0.0.1:0", silence_logs=logging.ERROR,
            )  # fmt: skip
            address = stack.enter_context(distributed.LocalCluster(n_workers=workers, **how))
        try:
            client = stack.enter_context(distributed.Client(address, timeout=patience))
        except (OSError, ValueError) as error:
            raise ValueError(
                f"no scheduler of Dask answers at {scheduler} ({_line(error)}): start one with "
                "`dask scheduler`, or leave it out for a pool of processes on this machine."
            ) from None
        yield Pool(client.get_executor(pure=False), float("inf") if scheduler else workers)


def _environment() -> dict[str, str]:
    """What the processes have besides; what the user has set stays."""
    own = {
        **cache_environment(),
        "TQDM_DISABLE": "1",  # their bars would be written over each other
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",  # a GPU's memory is for all of them
    }
    return {name: value for name, value in own.items() if name not in os.environ}


def _line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
