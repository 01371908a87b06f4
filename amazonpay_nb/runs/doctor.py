"""Look at this machine, and say what would prevent the workbook from running."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from tempfile import gettempdir

import httpx

from amazonpay_nb.emulator import Emulator
from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.extras import EXTRAS, how_to_get, packages
from amazonpay_nb.loopback import check_proxies, trust
from amazonpay_nb.signing import keys
from amazonpay_nb.signing.keys import Finding
from amazonpay_nb.workbench.parameters import VARIABLES, account_variable

_BROWSER_SECONDS = 60


def examine(browser: str | None) -> list[Finding]:
    """Return what is fine and what is not, each as a sentence that says what to do; *browser* would play the buyers."""
    version = ".".join(map(str, sys.version_info[:3]))
    python = Finding(sys.version_info >= (3, 11), f"Python {version}; 3.11 or newer is needed.")
    now = datetime.now(UTC)
    clock = f"The clock says {now:%Y-%m-%d %H:%M} UTC; Amazon refuses dates in the future."
    here = [python, *map(_extra, EXTRAS), *_kernel(), _loopback(), *_ways(), *_places()]
    return [*here, Finding(now.year >= 2026, clock), *_browser(browser), *_account()]


def _browser(program: str | None) -> Iterator[Finding]:
    if not find_spec("playwright"):  # the row of its extra says so
        return
    if not program:
        yield Finding(True, "No Chromium is on the PATH.")
        return
    try:
        subprocess.run([program, "--version"], capture_output=True, check=True, timeout=_BROWSER_SECONDS)  # noqa: S603
    except (OSError, subprocess.SubprocessError) as error:
        said = (getattr(error, "stderr", None) or b"").decode(errors="replace").strip().partition("\n")[0] or error
        yield Finding(False, f"{program} does not start, so that no rehearsal can use it: {said}")
    else:
        yield Finding(True, f"{program} can play the buyers of a rehearsal.")


def _extra(name: str) -> Finding:
    rows = [*packages(name)]
    wrong = [package for package, fits in rows if not fits]
    if not wrong:
        return Finding(True, f"The extra {name} is there: {EXTRAS[name]}.")
    # Most of it is there, so the rest is wanted, too; a lean installation is no mistake.
    lean = len(wrong) > len(rows) / 2
    state = "is not there" if lean else f"lacks {', '.join(wrong)}"
    return Finding(lean, f"The extra {name} {state} ({EXTRAS[name]}): {how_to_get(name)}")


def _kernel() -> Iterator[Finding]:
    try:
        from jupyter_client.manager import KernelManager

        from amazonpay_nb.runs.kernels import check_name
    except ImportError:  # the row of its extra says so
        return
    try:
        with suppress(OSError):  # there is none, as the row of the emulator says
            check_name(Path(gettempdir()))
    except ConfigurationError as error:
        yield Finding(False, str(error))
    kernel, program = KernelManager(kernel_name="python3"), None
    with suppress(Exception):  # whatever is wrong with its file, it starts nothing
        program = shutil.which(kernel.format_kernel_cmd()[0])
    if program and Path(program).parent.resolve() == Path(sys.executable).parent.resolve():
        yield Finding(True, "The kernel python3 starts this Python.")
    elif place := kernel.kernel_spec_manager.find_kernel_specs().get("python3"):
        advice = f"delete {place}, and Jupyter starts this one."
        yield Finding(False, f"The kernel python3 does not start this Python, and notebooks may fail: {advice}")


def _loopback() -> Finding:
    try:
        with Emulator() as emulator:
            emulator.clock.now()
    except (OSError, httpx.TransportError) as error:
        advice = "allow connections on 127.0.0.1, and files in TMPDIR."
        return Finding(False, f"The emulator does not start ({error}): {advice}")
    return Finding(True, "The emulator starts and answers on 127.0.0.1.")


def _ways() -> Iterator[Finding]:
    for check in (check_proxies, trust):
        try:
            check()
        except ConfigurationError as error:
            yield Finding(False, f"{error} The emulator needs none.")


def _places() -> Iterator[Finding]:
    for place, advice in ((Path.home(), "lab --to DIR"), (Path.cwd(), "--out DIR")):
        if not os.access(place, os.W_OK):
            yield Finding(True, f"{place} cannot be written to: add {advice}.")


def _account() -> list[Finding]:
    missing = [variable for variable in VARIABLES.values() if not os.environ.get(variable)]
    if len(missing) == len(VARIABLES):
        return [Finding(True, "No account is configured; the emulator needs none.")]
    if missing:
        return [Finding(False, f"A real account needs {', '.join(missing)} as well.")]
    try:
        account = {name: account_variable(name) for name in VARIABLES}
    except ConfigurationError as error:
        return [Finding(False, str(error))]
    key, key_id = account["private_key_file"], account["public_key_id"]
    return keys.check(key, key_id, environment="live" if key_id.upper().startswith("LIVE") else "sandbox")
