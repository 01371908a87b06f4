"""Look at this machine, and say what would prevent the workbook from running."""

import importlib.metadata
import os
import shutil
import sys
from datetime import UTC, datetime

from amazonpay_nb.emulator import Emulator
from amazonpay_nb.signing import keys
from amazonpay_nb.signing.keys import Finding
from amazonpay_nb.workbench.parameters import VARIABLES

_PACKAGES = ("jupyterlab", "ipywidgets", "ipykernel", "httpx", "cryptography", "pandas", "papermill")
_OLDEST_KERNEL = (7, 4)


def examine() -> list[Finding]:
    """Return what is fine and what is not, each as a sentence that says what to do."""
    version = ".".join(map(str, sys.version_info[:3]))
    python = Finding(sys.version_info >= (3, 11), f"Python {version}; 3.11 or newer is needed.")
    now = datetime.now(UTC)
    clock = f"The clock says {now:%Y-%m-%d %H:%M} UTC; Amazon refuses dates in the future."
    browser = next(filter(shutil.which, ("chromium", "google-chrome", "chrome")), "")
    # Only the browser tests need one on the path; a person's browser is wherever it is.
    tests = f"{browser} is there for the browser tests." if browser else "No Chromium: browser tests are skipped."
    packages = map(_package, _PACKAGES)
    return [python, *packages, _loopback(), Finding(now.year >= 2026, clock), Finding(True, tests), *_account()]


def _package(name: str) -> Finding:
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return Finding(False, f"{name} is missing: run make, or pip install -e .")
    old = name == "ipykernel" and tuple(map(int, version.split(".")[:2])) < _OLDEST_KERNEL
    why = "; 7.4 is needed, so that widgets answer while a cell waits" if old else ""
    return Finding(not old, f"{name} {version}{why}")


def _loopback() -> Finding:
    try:
        with Emulator() as emulator:
            emulator.clock.now()
    except OSError as error:
        return Finding(False, f"The emulator cannot listen on 127.0.0.1 ({error}): allow local connections.")
    return Finding(True, "The emulator starts and answers on 127.0.0.1.")


def _account() -> list[Finding]:
    missing = [variable for variable in VARIABLES.values() if not os.environ.get(variable)]
    if len(missing) == len(VARIABLES):
        return [Finding(True, "No account is configured; the emulator needs none.")]
    if missing:
        return [Finding(False, f"A real account needs {', '.join(missing)} as well.")]
    key, key_id = (os.environ[VARIABLES[name]] for name in ("private_key_file", "public_key_id"))
    return keys.check(key, key_id, environment="live" if key_id.upper().startswith("LIVE") else "sandbox")
