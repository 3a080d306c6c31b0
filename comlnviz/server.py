"""An extension of Jupyter's server: what a kernel says to a page leaves at once.

Nagle's algorithm holds a small message back until the page has acknowledged the one before, which
browsers do up to 40 ms late. A slider that is dragged sends small messages all the time: the figure
then shows a third fewer pictures a second, and the last of them a tenth of a second late. Jupyter's
server leaves the algorithm on. Installing the package registers this module, which turns it off for
the sockets of kernels; nothing else of the server is touched.
"""

from typing import Any


def _prompt(connection: type[Any]) -> type[Any]:
    """A kernel's connection to a page that sends every message at once."""

    class PromptConnection(connection):
        def connect(self) -> Any:
            self.websocket_handler.set_nodelay(True)
            return super().connect()

    return PromptConnection


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": __name__}]


def _load_jupyter_server_extension(app: Any) -> None:
    settings = app.web_app.settings
    settings["kernel_websocket_connection_class"] = _prompt(
        settings["kernel_websocket_connection_class"]
    )
