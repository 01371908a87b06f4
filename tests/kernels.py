"""Kernels without ports: a kernel whose port another worker takes first neither answers nor ends."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager
from traitlets import default

from tests.processes import PATIENCE

__all__ = ["PortlessKernel", "kernel", "place"]

# The path of a socket is short, so it is not below the runtime folder of Jupyter.
_FOLDER = TemporaryDirectory(prefix="kernels-", ignore_cleanup_errors=True)


def place() -> str:
    """Return how the paths of a kernel's sockets begin."""
    return str(Path(_FOLDER.name) / uuid4().hex[:8])


class PortlessKernel(KernelManager):
    @default("transport")
    def _transport(self) -> str:
        return "ipc"

    @default("ip")
    def _ip(self) -> str:
        return place()


@contextmanager
def kernel() -> Iterator[tuple[PortlessKernel, BlockingKernelClient]]:
    """A kernel that answers, and the client that asks it."""
    manager = PortlessKernel()
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(PATIENCE)
        yield manager, client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
