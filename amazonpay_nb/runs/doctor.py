"""Look at this machine, and say what would prevent the workbook from running."""

import importlib.metadata
import os
import shutil
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from amazonpay_nb.emulator import Emulator
from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.signing import keys
from amazonpay_nb.signing.keys import Finding
from amazonpay_nb.workbench.bench import VARIABLES

__all__ = ["examine"]

_PACKAGES = ("jupyterlab", "ipywidgets", "ipykernel", "httpx", "cryptography", "pandas", "papermill")
_OLDEST_KERNEL = (7, 4)


def examine() -> list[Finding]:
    """Return what is fine and what is not, each as a sentence that says what to do."""
    looks: tuple[Callable[[], list[Finding]], ...] = (_python, _packages, _loopback, _clock, _browser, _account)
    return [finding for look in looks for finding in look()]


def _python() -> list[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    return [Finding(sys.version_info >= (3, 11), f"Python {version}; 3.11 or newer is needed.")]


def _packages() -> list[Finding]:
    findings = []
    for name in _PACKAGES:
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            findings.append(Finding(False, f"{name} is missing: run make, or pip install -e ."))
            continue
        old = name == "ipykernel" and tuple(map(int, version.split(".")[:2])) < _OLDEST_KERNEL
        why = "; 7.4 is needed, so that widgets answer while a cell waits" if old else ""
        findings.append(Finding(not old, f"{name} {version}{why}"))
    return findings


def _loopback() -> list[Finding]:
    try:
        with Emulator() as emulator:
            emulator.clock.now()
    except OSError as error:
        return [Finding(False, f"The emulator cannot listen on 127.0.0.1 ({error}): allow local connections.")]
    return [Finding(True, "The emulator starts and answers on 127.0.0.1.")]


def _clock() -> list[Finding]:
    now = datetime.now(UTC)
    return [Finding(now.year >= 2026, f"The clock says {now:%Y-%m-%d %H:%M} UTC; Amazon refuses dates in the future.")]


def _browser() -> list[Finding]:
    name = next((name for name in ("chromium", "google-chrome", "chrome") if shutil.which(name)), "")
    # Only the browser tests need one on the path; a person's browser is wherever it is.
    return [
        Finding(True, f"{name} is there for the browser tests." if name else "No Chromium: browser tests are skipped.")
    ]


def _account() -> list[Finding]:
    missing = [variable for variable in VARIABLES.values() if not os.environ.get(variable)]
    if len(missing) == len(VARIABLES):
        return [Finding(True, "No account is configured; the emulator needs none.")]
    if missing:
        return [Finding(False, f"A real account needs {', '.join(missing)} as well.")]
    path, key_id = (os.environ[VARIABLES[name]] for name in ("private_key_file", "public_key_id"))
    try:
        return keys.check(Path(path), key_id, environment="live" if key_id.upper().startswith("LIVE") else "sandbox")
    except ConfigurationError as error:
        return [Finding(False, str(error))]
