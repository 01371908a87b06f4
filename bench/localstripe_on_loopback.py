"""Start localstripe on a free loopback port and print its address; runs in localstripe's own environment.

Its command listens on every interface, logs each request and keeps its store in one fixed file of the machine. Here it
gets loopback, no log and a file of its own; the rest is as it ships.
"""

import socket
import tempfile
from pathlib import Path

from aiohttp import web
from localstripe import resources, server  # type: ignore[import-not-found]

with tempfile.TemporaryDirectory() as folder:
    resources.open = lambda path, mode: (Path(folder) / Path(path).name).open(mode)
    listener = socket.create_server(("127.0.0.1", 0))
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    web.run_app(server.app, sock=listener, access_log=None, print=None)
