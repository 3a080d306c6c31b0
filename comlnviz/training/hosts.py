"""Several machines, or processes, that train as one."""

import re
import threading

import jax

_FOR_EVER = 10**6  # seconds


def join_hosts(
    coordinator: str | None = None,
    hosts: int | None = None,
    host: int | None = None,
    *,
    timeout: int = 60,
) -> int:
    """Make this process one of several whose devices `devices="all"` then means; its number.

    To be called before anything is computed, by every process, each running the same program.
    Under SLURM, Open MPI and Kubernetes nothing need be said; elsewhere all three. Number 0 writes
    checkpoints and shows progress; the folder of the checkpoint is one that all can read.

    **Arguments:**

    - `coordinator`: address and port of number 0, such as "10.0.0.1:1234".
    - `hosts`, `host`: how many processes there are, and which one this is, from 0 on.
    - `timeout`: seconds to wait for the others.

    **Raises** `ValueError` for an address or numbers that do not fit, `RuntimeError` when the
    others do not come in time and when something was computed already.
    """
    given = (coordinator, hosts, host)
    if any(x is None for x in given) != all(x is None for x in given):
        raise ValueError(
            "join_hosts needs coordinator, hosts and host, or none of them under SLURM, Open MPI "
            f"or Kubernetes; got {given}."
        )
    if hosts is not None and host is not None and not 0 <= host < hosts:
        raise ValueError(f"host must be from 0 to {hosts - 1}; got {host}.")
    if coordinator is not None and not re.fullmatch(r".+:\d+", coordinator):
        raise ValueError(
            f'coordinator must be an address and port, as "10.0.0.1:1234"; got {coordinator!r}.'
        )
    said: list[str] = []

    def join() -> None:
        try:
            jax.distributed.initialize(coordinator, hosts, host, initialization_timeout=_FOR_EVER)
        except Exception as error:
            said.append((str(error).splitlines() or [type(error).__name__])[0])

    # When JAX's own patience ends it ends the process, with a stack trace of C++: ours ends first.
    joining = threading.Thread(target=join, daemon=True)
    joining.start()
    joining.join(timeout)
    if not joining.is_alive() and not said:
        return jax.process_index()
    if said and "before" in said[0]:
        raise RuntimeError(
            "join_hosts must be called before anything is computed: begin in a new process."
        )
    why = f" ({said[0]})" if said else ""
    raise RuntimeError(
        f"join_hosts: the {hosts or 'several'} hosts did not come together within {timeout} s"
        f"{why}: start all of them anew, with the same address."
    )
