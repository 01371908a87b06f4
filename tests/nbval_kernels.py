"""A plugin for nbval: its kernels have no ports, which another worker's kernel could take first.

pytest -p tests.nbval_kernels --nbval notebooks
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from jupyter_client.manager import KernelManager
from nbval import kernel
from traitlets import default

# The path of a socket is short, so it is not below the runtime folder of Jupyter.
FOLDER = TemporaryDirectory(prefix="nbval-", ignore_cleanup_errors=True)


class PortlessKernel(KernelManager):
    @default("transport")
    def _transport(self) -> str:
        return "ipc"

    @default("ip")
    def _ip(self) -> str:
        return str(Path(FOLDER.name) / uuid4().hex[:8])


kernel.KernelManager = PortlessKernel
