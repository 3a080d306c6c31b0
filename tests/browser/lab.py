"""Drive JupyterLab in Chromium from a test.

    with Lab(folder) as lab:
        lab.open("notebook.ipynb")
        lab.run_all()
        before = lab.pixels()
        lab.press("T", "ArrowRight", 3)
        assert lab.pixels() != before and not lab.errors

The server listens on loopback with a random token, and keeps settings, workspaces, history and the
browser's profile in a temporary folder. JupyterLab is told to put its application object into the
page (`--expose-app-in-browser`), so that commands run by name and the kernel's messages can be
heard: JupyterLab shows an exception in a widget's callback nowhere in the page.
"""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from comlnviz.cache import cache_environment

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync
    --disable-background-networking --disable-component-update""".split()
SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/apputils-extension:themes": {"theme": "JupyterLab Light", "adaptive-theme": False},
    "@jupyterlab/docmanager-extension:plugin": {"autosave": False},
    # Every cell stays in the page, in view or not.
    # A notebook that names no kernel gets the default one, not a dialog.
    "@jupyterlab/notebook-extension:tracker": {
        "windowingMode": "none",
        "autoStartDefaultKernel": True,
    },
}
PAGE = (Path(__file__).parent / "lab.js").read_text(encoding="utf-8")


def missing() -> str:
    """Why no browser test can run here; '' when one can."""
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        return "playwright is not installed"
    return "" if shutil.which(CHROMIUM) else f"no Chromium at {CHROMIUM}; set CHROMIUM to its path"


class Lab:
    """JupyterLab on `root`, and one page of Chromium that looks at it."""

    def __init__(self, root: Path, size: tuple[int, int] = (1400, 1000)) -> None:
        self.root, self._size = Path(root), size
        self._notices: list[str] = []  # what the browser's console says
        self._token = secrets.token_hex(16)

    def __enter__(self) -> "Lab":
        self._folder = Path(tempfile.mkdtemp(prefix="comlnviz-lab-"))
        self._server = self._browser = self._playwright = None
        try:
            self._start_server()
            self._start_browser()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        if self._browser is not None:
            self._browser.close()
        if self._playwright is not None:
            self._playwright.stop()
        if self._server is not None:
            try:
                self._ask("api/shutdown", "POST")  # takes the kernels with it
                self._server.wait(15)
            except (OSError, subprocess.TimeoutExpired):
                self._server.kill()
                self._server.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    # ------------------------------------------------------------------ notebooks
    def open(self, notebook: str) -> None:
        """Open a notebook, by its path below root, and wait for its kernel."""
        self._notices.clear()
        path = urllib.parse.quote(notebook)
        self.page.goto(f"{self._address}/lab/tree/{path}?reset&token={self._token}")
        self.page.wait_for_function("() => window.jupyterapp")
        self.page.evaluate("() => jupyterapp.restored.then(() => lab.attach())")

    def run_all(self, timeout: float = 120) -> None:
        """Run all cells and wait until the kernel has nothing left to do."""
        self.page.evaluate("() => lab.runAll()")
        self.wait("lab.ran", timeout)
        self.settle(timeout)

    def execute(self, code: str) -> str:
        """Run code in the notebook's kernel, unseen by the notebook; what it printed."""
        return self.page.evaluate("code => lab.execute(code)", code)

    def settle(self, timeout: float = 30) -> None:
        """Wait until the kernel is idle and has been silent for a while."""
        self.page.wait_for_timeout(100)  # what the page has to say leaves with its next frame
        self.wait("lab.quiet(250)", timeout)

    def wait(self, condition: str, timeout: float = 30) -> None:
        """Wait for a JavaScript expression to become true."""
        self.page.wait_for_function(f"() => {condition}", timeout=1000 * timeout, polling=20)

    @property
    def errors(self) -> list[str]:
        """Errors of cells, of widget callbacks, of the browser; what the kernel wrote to stderr."""
        self.page.wait_for_timeout(50)
        return [*self.page.evaluate("() => lab.errors"), *self._notices]

    # ------------------------------------------------------------------ widgets and figures
    def sliders(self) -> list[str]:
        """The labels of the sliders that can be seen, from top to bottom."""
        return self.page.evaluate("() => lab.sliders().map(({ label }) => label)")

    def press(self, label: str, key: str = "ArrowRight", n: int = 1, figure: int = 0) -> list[str]:
        """Press a key n times on the figure's slider so labelled; its pixels after each.

        Waits after each key until the picture is another, or five seconds.
        """
        if not self.page.evaluate("([l, f]) => lab.focus(l, f)", [label, figure]):
            raise LookupError(f"no slider {label!r} among {self.sliders()}")
        seen = []
        for _ in range(n):
            before = self.pixels(figure)
            self.page.keyboard.press(key)
            deadline = time.monotonic() + 5
            while self.pixels(figure) == before and time.monotonic() < deadline:
                self.page.wait_for_timeout(20)
            self.settle()
            seen.append(self.pixels(figure))
        return seen

    def drag(self, label: str, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Drag in the axes whose label starts so; positions are shares of it from the top left."""
        target = self.page.locator(f'[role=application][aria-label^="{label}"]').first
        target.scroll_into_view_if_needed()
        box = target.bounding_box()
        assert box is not None, f"nothing to drag called {label!r}"
        places = [
            (box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (start, end)
        ]
        self.page.mouse.move(*places[0])
        self.page.mouse.down()
        self.page.mouse.move(*places[1], steps=8)
        self.page.mouse.up()
        self.settle()

    def figures(self) -> int:
        """How many figures the notebook shows."""
        return self.page.evaluate("() => lab.figures().length")

    def pixels(self, figure: int | None = None) -> str:
        """Hash of the pixels of one figure, or of all."""
        return self.page.evaluate("which => lab.pixels(which)", figure)

    def colours(self, figure: int, points: list[tuple[float, float]]) -> list[list[int]]:
        """Red, green and blue of a figure at shares of its width and height from the top left."""
        return self.page.evaluate("([f, points]) => lab.colours(f, points)", [figure, points])

    def theme(self, dark: bool) -> None:
        """Switch JupyterLab to its dark or its light theme."""
        name = "JupyterLab Dark" if dark else "JupyterLab Light"
        self.page.evaluate("name => lab.theme(name)", name)
        self.wait(f"document.body.dataset.jpThemeLight === '{str(not dark).lower()}'")
        self.settle()

    def screenshot(self, path: Path) -> None:
        """Save the whole notebook; it scrolls inside its panel, so the window grows meanwhile."""
        path.parent.mkdir(parents=True, exist_ok=True)
        width, height = self._size
        hidden = self.page.evaluate("() => lab.hiddenHeight()")
        self.page.set_viewport_size({"width": width, "height": min(height + hidden + 40, 12000)})
        self.page.wait_for_timeout(300)
        self.page.screenshot(path=str(path))
        self.page.set_viewport_size({"width": width, "height": height})

    # ------------------------------------------------------------------ starting
    def _start_server(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self._address = f"http://127.0.0.1:{port}"
        (self._folder / "overrides.json").write_text(json.dumps(SETTINGS))
        homes = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
        environment = {
            **{name: v for name, v in os.environ.items() if not name.lower().endswith("_proxy")},
            **cache_environment(),
            **{name: str(self._folder / name.lower()) for name in homes},
            "JUPYTER_PLATFORM_DIRS": "1",
            "JUPYTER_TOKEN": self._token,  # not an argument: those can be read by everybody
        }
        arguments = {
            "ip": "127.0.0.1",
            "port": port,
            "ServerApp.port_retries": 0,
            "ServerApp.root_dir": self.root,
            "LabApp.app_settings_dir": self._folder,
            "LabApp.user_settings_dir": self._folder / "settings",
            "LabApp.workspaces_dir": self._folder / "workspaces",
            "FileCheckpoints.checkpoint_dir": self._folder / "checkpoints",
        }
        flags = ["--no-browser", "--allow-root", "--expose-app-in-browser"]
        log = self._folder / "server.log"
        with log.open("wb") as out:
            self._server = subprocess.Popen(
                [sys.executable, "-m", "jupyterlab", *flags]
                + [f"--{name}={value}" for name, value in arguments.items()],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + 60
        while True:
            try:
                return self._ask("api/status")
            except OSError:
                if self._server.poll() is not None or time.monotonic() > deadline:
                    text = log.read_text(errors="replace").replace(self._token, "…")
                    raise RuntimeError(f"JupyterLab did not start:\n{text[-3000:]}") from None
                time.sleep(0.1)

    def _ask(self, path: str, method: str = "GET") -> None:
        head = {"Authorization": f"token {self._token}"}
        request = urllib.request.Request(f"{self._address}/{path}", method=method, headers=head)
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        direct.open(request, timeout=10).close()

    def _start_browser(self) -> None:
        from playwright.sync_api import sync_playwright

        self._playwright = sync_playwright().start()
        self._browser = self._playwright.chromium.launch_persistent_context(
            str(self._folder / "profile"),
            executable_path=CHROMIUM,
            headless=True,
            args=FLAGS,
            viewport={"width": self._size[0], "height": self._size[1]},
        )
        self._browser.add_init_script(PAGE)
        self.page: Any = self._browser.pages[0]
        self.page.on("pageerror", lambda error: self._notices.append(f"page: {error}"))
        self.page.on("console", self._hear)
        self.page.on("dialog", lambda dialog: dialog.accept())

    def _hear(self, message: Any) -> None:
        if message.type == "error":
            self._notices.append(f"console: {message.text} ({message.location.get('url', '')})")
