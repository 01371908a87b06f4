"""A server that somebody else starts: a person with a debugger, or another program."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.loopback import open_port
from amazonpay_nb.rehearsal import rehearse
from amazonpay_nb.rehearsal.ports import port_for_another
from tests.processes import PATIENCE, program, until
from tests.rehearsal.plans import example_plan, write_plan

PARTS = ["button.script-host", "set-up.completes", "notification.genuine"]
BY_HAND = 'set -a; . "$0"; exec "$@"'


@pytest.mark.browser
@pytest.mark.parametrize("proxy", [False, True], ids=["settings", "proxy"])
def test_a_server_that_is_started_by_hand(proxy: bool, tmp_path: Path, chromium_path: str) -> None:
    """The plan stays as it is; the file has what the server needs, in any folder, and is gone in the end."""
    variables, plan = tmp_path / "shop.env", example_plan(tmp_path, proxy=proxy)
    command = [sys.executable, "-m", "amazonpay_nb", "rehearse", str(plan), "--out", str(tmp_path / "out")]
    command += ["--env-file", str(variables), "--browser", chromium_path]
    command += [word for name in PARTS for word in ("--only", name)]
    # Not below tmp_path: Chromium makes a socket there, and the path of one is short.
    with tempfile.TemporaryDirectory(prefix="für mich ") as temporary, program(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ | {"TMPDIR": temporary}
    ) as rehearsal:  # fmt: skip
        assert until(variables.exists)
        assert variables.stat().st_mode & 0o777 == 0o600
        comment = variables.read_text("utf-8").splitlines()[0]
        folder = comment.removeprefix("# In ").removesuffix(": python shop.py")
        with program(["sh", "-c", BY_HAND, str(variables), sys.executable, "shop.py"], cwd=folder) as server:
            try:
                said = rehearsal.communicate(timeout=PATIENCE)[0]
            finally:
                server.kill()
    assert rehearsal.returncode == 0, said
    assert "3 passed, 0 failed" in said
    assert not variables.exists()


def test_variables_overwrite_nothing(tmp_path: Path) -> None:
    """Somebody's own .env may be the only copy of a secret."""
    (tmp_path / ".env").write_text("SECRET=1\n")
    with pytest.raises(ConfigurationError, match=r"\.env is there already"):
        rehearse(write_plan(tmp_path, port_for_another(), []), browser="none", env_file=tmp_path / ".env")
    assert (tmp_path / ".env").read_text() == "SECRET=1\n"


def test_a_server_of_another_rehearsal(tmp_path: Path) -> None:
    """It has another key: all that it asks for would be refused."""
    with open_port() as listener:
        plan = write_plan(tmp_path, listener.getsockname()[1], [])
        with pytest.raises(ConfigurationError, match=r"something answers at .* already"):
            rehearse(plan, browser="none", env_file=tmp_path / "shop.env")
    assert not (tmp_path / "shop.env").exists()
