"""A plugin for nbval: its kernels have no ports.

pytest -p tests.nbval_kernels --nbval notebooks
"""

from nbval import kernel

from tests.kernels import PortlessKernel

kernel.KernelManager = PortlessKernel
