"""Serve an ASGI application on a loopback port from a thread."""

import socket
import threading
from typing import Any, Self

__all__ = ["LoopbackServer", "open_port"]


def open_port(port: int = 0, host: str = "127.0.0.1") -> socket.socket:
    """Return a listening socket.

    Args:
        port: 0 takes a free one.
    Raises:
        OSError: The port is in use.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    # Without this a restart on the same port waits for old connections; it does not allow two listeners.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    listener.listen(128)
    return listener


class LoopbackServer:
    """An ASGI application that answers on a loopback port until it is stopped.

    Args:
        app: The application.
        port: 0 takes a free one.
        tls: Keyword arguments ``ssl_certfile`` and ``ssl_keyfile`` for HTTPS.
    """

    def __init__(self, app: Any, *, port: int = 0, host: str = "127.0.0.1", tls: dict[str, str] | None = None) -> None:
        import uvicorn

        self._listener = open_port(port, host)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{self.port}"
        config = uvicorn.Config(
            app, log_config=None, access_log=False, lifespan="on", ws="none", timeout_graceful_shutdown=1, **(tls or {})
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._serve, name=f"loopback-{self.port}", daemon=True)

    def _serve(self) -> None:
        self._server.run(sockets=[self._listener])

    @property
    def running(self) -> bool:
        """Whether the application answers in a thread."""
        return self._thread.is_alive()

    def start(self) -> Self:
        """Start answering; connections wait in the socket until the application is up."""
        self._thread.start()
        return self

    def run(self) -> None:
        """Answer in this thread until the process is asked to end."""
        self._serve()

    def stop(self) -> None:
        """Stop answering and free the port."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(5)
        self._listener.close()
