import subprocess
import sys
from types import SimpleNamespace

from comlnviz import server

# Installed as it is, the server finds the extension by itself; JAX would cost it seconds.
PROGRAM = """
import sys
from jupyter_server.serverapp import ServerApp

app = ServerApp()
app.initialize(["--allow-root", "--no-browser", "--port=0"], new_httpserver=False)
print(app.web_app.settings["kernel_websocket_connection_class"].__name__, "jax" in sys.modules)
"""


def test_an_installed_server_loads_it_and_no_jax(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert done.stdout.split() == ["PromptConnection", "False"]


def test_messages_leave_at_once_on_any_kind_of_connection():
    said = []

    class Handler:
        def set_nodelay(self, value):
            said.append(value)

    class Connection:
        websocket_handler = Handler()

        def connect(self):
            return "connected"

    settings = {"kernel_websocket_connection_class": Connection}
    server._load_jupyter_server_extension(
        SimpleNamespace(web_app=SimpleNamespace(settings=settings))
    )
    made = settings["kernel_websocket_connection_class"]()
    assert isinstance(made, Connection)
    assert made.connect() == "connected" and said == [True]
