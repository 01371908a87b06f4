"""A plugin for nbval: its kernels have no ports, and as much time to say something as on a busy machine they need.

pytest -p tests.nbval_kernels --nbval notebooks
"""

import pytest
from nbval import kernel
from nbval.plugin import IPyNbCell

from tests.kernels import PortlessKernel
from tests.processes import PATIENCE

kernel.KernelManager = PortlessKernel


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for cell in items:
        if isinstance(cell, IPyNbCell):
            cell.output_timeout = PATIENCE  # five seconds, for which there is no option
