"""The process that a submission's cells run in.

Run by path, so that nothing of the package is imported, JAX least of all: one that has threads must
not be forked. `_serve` imports once what most submissions need, and forks for every submission. The
child gives up its rights (`_confine`), then executes cell after cell in an IPython shell without a
Jupyter kernel, and tells what each displayed. The one who asks keeps the time (`runner`).
"""

import base64
import json
import os
import resource
import signal
import socket
import sys
from multiprocessing.connection import Connection
from typing import Any

TEXT = 20_000  # characters of a text output that are kept
PICTURE = 3_000_000  # characters of any other

# What reaches beyond the process.
FORBIDDEN = {
    "subprocess.Popen", "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn",
    "os.spawn", "os.startfile", "os.kill", "os.killpg", "pty.spawn", "socket.connect",
    "socket.bind", "socket.sendto", "resource.setrlimit", "resource.prlimit",
}  # fmt: skip
# What changes a file, with the places of its paths and of their folders' descriptors, if any.
CHANGES = {
    "os.remove": ((0, 1),), "os.rmdir": ((0, 1),), "os.mkdir": ((0, 2),),
    "os.rename": ((0, 2), (1, 3)), "os.link": ((0, 2), (1, 3)), "os.symlink": ((1, 2),),
    "os.chmod": ((0, 2),), "os.chown": ((0, 3),), "os.utime": ((0, 3),),
    "os.truncate": ((0, None),), "shutil.rmtree": ((0, 1),), "shutil.move": ((0, None), (1, None)),
    "sqlite3.connect": ((0, None),),
}  # fmt: skip
LOOKS = {"os.listdir", "os.scandir", "os.chdir"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def _serve(control: socket.socket) -> None:
    """Fork for every connection that is handed over."""
    _preload()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the children
    control.send(b"!")
    while True:
        byte, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        if not byte:
            return
        if os.fork() == 0:
            try:
                os.setsid()
                control.close()
                _submission(Connection(descriptors[0]))
            finally:
                os._exit(0)
        os.close(descriptors[0])


def _preload() -> None:
    import matplotlib.figure
    import matplotlib.font_manager
    import matplotlib.pyplot
    import matplotlib_inline.backend_inline
    import numpy
    import numpy.testing
    from IPython.core.interactiveshell import InteractiveShell

    del matplotlib, matplotlib_inline, numpy, InteractiveShell


def _submission(connection: Connection) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _say(connection, child=os.getpid())
    request = json.loads(connection.recv_bytes())
    os.chdir(request["folder"])
    os.environ["HOME"] = os.environ["TMPDIR"] = request["folder"]
    os.environ["IPYTHONDIR"] = os.path.join(request["folder"], ".ipython")
    sys.path.insert(0, "")
    sys.dont_write_bytecode = True
    shell = _shell()
    _confine(request["folder"], request["private"], request["memory"])
    for cell in request["cells"]:
        _say(connection, started=cell["number"])
        outputs, failure = _execute(shell, cell["source"])
        _say(connection, number=cell["number"], outputs=outputs, failure=failure)


def _confine(folder: str, private: list[str], memory: int) -> None:
    """Limit memory and file sizes, and refuse what reaches beyond the folder.

    Python's audit hooks see whatever Python code does, and they stay. They are a fence against
    accidents and pranks, not against somebody who calls the operating system by ctypes.
    """
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    if sys.platform == "linux":  # elsewhere threads and libraries reserve much more than they use
        resource.setrlimit(resource.RLIMIT_AS, (4 * memory, 4 * memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**27, 2**27))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    own, hidden = os.path.realpath(folder), [os.path.realpath(path) for path in private]

    def within(path: str, folders: list[str]) -> bool:
        return any(path == place or path.startswith(place + os.sep) for place in folders)

    def resolve(path: Any, descriptor: Any) -> str | None:
        if path is None or isinstance(path, int):
            return None
        path = os.fsdecode(path)
        if isinstance(descriptor, int) and descriptor >= 0 and not os.path.isabs(path):
            path = os.path.join(os.readlink(f"/proc/self/fd/{descriptor}"), path)
        return os.path.realpath(path)

    def look(path: Any) -> None:
        place = resolve(path, None)
        if place is not None and within(place, hidden) and not within(place, [own]):
            raise PermissionError(f"A submission may not look into the course's folder: {place}")

    def change(path: Any, descriptor: Any = None) -> None:
        place = resolve(path, descriptor)
        if place not in (None, os.devnull, ":memory:") and not within(place, [own]):
            raise PermissionError(f"A submission may change files of its own folder only: {place}")

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            (change if flags & WRITING else look)(path)
        elif event in FORBIDDEN:
            raise PermissionError(f"A submission may not do this: {event}")
        elif event in CHANGES:
            for at, beside in CHANGES[event]:
                there = beside is not None and beside < len(arguments)
                change(arguments[at], arguments[beside or 0] if there else None)
        elif event in LOOKS:
            look(arguments[0])

    sys.addaudithook(audit)


def _shell() -> Any:
    from IPython.core.interactiveshell import InteractiveShell

    class Shell(InteractiveShell):
        """A shell that keeps a failure for us instead of printing it."""

        failure: Any = None

        def _showtraceback(self, etype: Any, evalue: Any, stb: list[str]) -> None:
            ename = getattr(etype, "__name__", str(etype))
            text = "\n".join(stb)
            Shell.failure = {
                "ename": ename,
                "evalue": str(evalue)[:TEXT],
                "traceback": [text if len(text) < 2 * TEXT else text[: 2 * TEXT] + " …"],
            }

        def enable_gui(self, gui: Any = None) -> None:
            pass

    from traitlets.config import Config

    settings = Config()
    settings.HistoryManager.enabled = False
    settings.InteractiveShell.colors = "NoColor"
    shell = Shell.instance(config=settings)
    shell.enable_matplotlib("inline")
    return shell


def _execute(shell: Any, source: str) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    """What a cell shows, as nbformat has it, and how it failed."""
    from IPython.utils.capture import capture_output

    type(shell).failure = None
    with capture_output() as captured:
        shell.display_trap.hook = sys.displayhook  # or a value would be printed
        result = shell.run_cell(source, store_history=False)
    outputs: list[dict[str, Any]] = [
        {"output_type": "stream", "name": name, "text": _cut(text)}
        for name, text in (("stdout", captured.stdout), ("stderr", captured.stderr))
        if text
    ]
    for shown in captured.outputs:
        data = {
            kind: _cut(value) if kind.startswith("text/") else value
            for kind, value in ((kind, _text(value)) for kind, value in shown.data.items())
            if "widget" not in kind and len(value) < PICTURE
        }
        outputs.append(
            {"output_type": "display_data", "data": data, "metadata": dict(shown.metadata or {})}
        )
    failure = type(shell).failure
    if failure is None and not result.success:
        error = result.error_before_exec or result.error_in_exec
        failure = {
            "ename": type(error).__name__,
            "evalue": str(error)[:TEXT],
            "traceback": [f"{type(error).__name__}: {error}"[:TEXT]],
        }
    if failure is not None:
        outputs.append({"output_type": "error", **failure})
    return outputs, failure


def _text(value: Any) -> Any:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def _cut(text: str) -> str:
    return text if len(text) <= TEXT else f"{text[:TEXT]}\n… {len(text) - TEXT:,} characters more"


def _say(connection: Connection, **message: Any) -> None:
    connection.send_bytes(json.dumps(message, default=str).encode())


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
