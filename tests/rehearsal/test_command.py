"""The command: exit codes, what it prints, and that nothing is left behind when it is interrupted."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

import pytest

from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.rehearsal import browser, rehearse
from amazonpay_nb.rehearsal.ports import port_for_another
from tests.processes import PATIENCE, answers, program, until
from tests.rehearsal.plans import processes_with, write_plan
from tests.rehearsal.test_unusable import BAD_SERVER
from tests.rehearsal.test_verdicts import FACTS, ODD_SERVER, SMALL_PLAN

COMMAND = [sys.executable, "-m", "amazonpay_nb", "rehearse"]


def plan_of(folder: Path, port: int, mistake: str = "") -> Path:
    command = [sys.executable, ODD_SERVER, f"http://127.0.0.1:{port}", *FACTS, mistake]
    return write_plan(folder, port, command, more=SMALL_PLAN)


def run(plan: Path, *options: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    command = [*COMMAND, str(plan), "--out", str(plan.parent / "out"), *options]
    return subprocess.run(
        command, capture_output=True, text=True, env=os.environ | variables, timeout=PATIENCE, check=False
    )  # fmt: skip


def test_an_unusable_plan_ends_with_2(tmp_path: Path) -> None:
    """The message is all that is printed, and no verdict is left."""
    port = port_for_another()
    done = run(write_plan(tmp_path, port, [sys.executable, BAD_SERVER, str(port), "ends at once"]))
    assert done.returncode == 2
    assert "line 3: the server ended with code 3 before it was ready." in done.stderr
    assert "Traceback" not in done.stderr
    assert not [*(tmp_path / "out").iterdir()]


def test_without_a_browser_the_rest_is_played(tmp_path: Path) -> None:
    """What needs one is not tried, and says how to get one; nothing failed."""
    done = run(
        plan_of(tmp_path, port_for_another()), PATH="/nowhere", CHROMIUM="", PLAYWRIGHT_BROWSERS_PATH=str(tmp_path)
    )
    assert done.returncode == 0, done.stderr
    verdict = json.loads((tmp_path / "out" / "rehearsal.json").read_text("utf-8"))
    assert verdict["failed"] == 0
    paid = next(one for one in verdict["checks"] if one["id"] == "charge.paid")
    assert paid["status"] == "not-tried"
    assert "apt-get install chromium" in paid["seen"]


@pytest.mark.browser
@pytest.mark.usefixtures("chromium_path")
def test_where_nothing_can_be_tried_nothing_is_right(tmp_path: Path) -> None:
    """A broken button would be green forever, and so would a server that has been asked for nothing."""
    plan = plan_of(tmp_path, port_for_another())
    done = run(plan, "--only", "request.algorithm")
    assert (done.returncode, "0 passed, 0 failed, 1 not tried" in done.stdout) == (1, True), done.stdout
    assert "Nothing could be tried" in done.stderr
    plan.write_text(plan.read_text().replace("{storeId}", "amzn1.application-oa2-client.0"))
    done = run(plan, "--only", "charge.paid", "--only", "refund.done")
    assert (done.returncode, "0 passed, 2 failed, 0 not tried" in done.stdout) == (1, True), done.stdout


def test_a_browser_that_is_none(tmp_path: Path) -> None:
    """The path that was given is named."""
    done = run(plan_of(tmp_path, port_for_another()), "--browser", "/bin/true")
    assert done.returncode == 2
    assert "/bin/true is no browser that can be started (" in done.stderr


@pytest.mark.parametrize("named", [False, True], ids=["on the PATH", "named by CHROMIUM"])
def test_a_browser_that_does_not_start_is_no_lack_of_one(tmp_path: Path, named: bool) -> None:
    """Nothing would be tried, and the run green; what the browser said leads to what it lacks."""
    program = tmp_path / "chromium-headless-shell"  # the first that is looked for
    program.write_text(
        "#!/bin/sh\necho 'chromium: cannot open shared object file: libnss3.so' >&2\nexit 127\n", "utf-8"
    )
    program.chmod(0o755)
    variables = {"CHROMIUM": str(program)} if named else {"CHROMIUM": "", "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = run(plan_of(tmp_path, port_for_another()), **variables)
    assert done.returncode == 2, done.stdout
    said = f"{program} is no browser that can be started (chromium: cannot open shared object file: libnss3.so)."
    assert said in done.stderr
    assert not (tmp_path / "out" / "rehearsal.json").exists()


def test_playwright_that_does_not_start(tmp_path: Path) -> None:
    """A sentence; what a job has set for programs of its own does not reach Playwright's."""
    plan = plan_of(tmp_path, port_for_another())
    options = {"NODE_OPTIONS": "--require /nowhere/agent.js", "SELENIUM_REMOTE_URL": "http://127.0.0.1:1/wd/hub"}
    done = run(plan, "--only", "button.signature", **options, PLAYWRIGHT_NODEJS_PATH="/bin/false")
    assert (done.returncode, "Playwright's own Node does not start: " in done.stderr) == (2, True), done.stderr
    assert "Traceback" not in done.stderr
    done = run(plan, "--only", "button.signature", "--browser", "/bin/true", **options)
    assert "/bin/true is no browser that can be started (" in done.stderr


@pytest.mark.parametrize("options", [["--browser", "/bin/true"], ["--headed"]], ids=["browser", "headed"])
def test_a_browser_that_is_asked_for_needs_playwright(tmp_path: Path, options: list[str]) -> None:
    """Nothing that needs a buyer would be tried, and the run green."""
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['playwright'] = None\n", "utf-8")
    done = run(plan_of(tmp_path, port_for_another()), *options, PYTHONPATH=str(tmp_path))
    assert (done.returncode, "Playwright is not installed." in done.stderr) == (2, True), done.stdout + done.stderr
    assert not (tmp_path / "out" / "rehearsal.json").exists()


def test_a_browser_that_hangs_at_its_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A time-out, and a sentence."""
    program = tmp_path / "chromium"
    program.write_text("#!/bin/sh\nexec sleep 1000\n", "utf-8")
    program.chmod(0o755)
    monkeypatch.setattr(browser, "_START_SECONDS", 0.5)
    with pytest.raises(ConfigurationError, match=r"no browser that can be started \(Timeout 500ms exceeded\)"):
        rehearse(plan_of(tmp_path, port_for_another()), browser=str(program))


@pytest.mark.browser
@pytest.mark.usefixtures("chromium_path")
def test_a_failure_ends_with_1(tmp_path: Path) -> None:
    """Elsewhere than on a terminal there is a line for each check, and at the end what to do."""
    done = run(
        plan_of(tmp_path, port_for_another(), "believes"), "--only", "charge.hard-decline", "--only", "charge.paid"
    )
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith("passed    charge.paid (")
    assert "✗ charge.hard-decline [money]: 0 of 19.99 USD is held or taken" in done.stdout
    assert "; Amazon refused Create Charge: 422 HardDeclined." in done.stdout
    assert "1 passed, 1 failed, 0 not tried in " in done.stdout


@pytest.mark.browser
@pytest.mark.usefixtures("chromium_path")
@pytest.mark.parametrize(
    ("number", "code", "group", "prefix"),
    [
        (signal.SIGINT, 130, True, ""),
        (signal.SIGTERM, 143, False, ""),
        (signal.SIGTERM, 143, True, ""),
        (signal.SIGHUP, 129, True, "long" * 10),
        (signal.SIGKILL, -signal.SIGKILL, False, ""),
    ],
)
def test_an_interruption_leaves_nothing(tmp_path: Path, number: int, code: int, group: bool, prefix: str) -> None:
    """A terminal sends Ctrl-C to all of its processes; a supervisor may send its signal to one."""
    port, mark = port_for_another(), uuid.uuid4().hex
    command = [*COMMAND, str(plan_of(tmp_path, port)), "--out", str(tmp_path / "out")]
    # Not below tmp_path: Chromium makes a socket there, and the path of one is short.
    with tempfile.TemporaryDirectory(prefix=prefix) as temporary, program(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True,
        env=os.environ | {"MARK": mark, "TMPDIR": temporary},
    ) as process:  # fmt: skip
        assert process.stdout
        assert process.stdout.readline().startswith("passed    ")
        # A killed browser leaves its files: they are in our folder, if the path is short enough for a socket.
        assert prefix or all(one.name.startswith("amazonpay-nb-") for one in Path(temporary).iterdir())
        assert len(processes_with(mark)) > 3  # the command, the server, Playwright and Chromium
        (os.killpg if group else os.kill)(process.pid, number)
        assert process.wait(PATIENCE) == code
        assert until(lambda: not (answers(port) or processes_with(mark)))
        assert until(lambda: not [*Path(temporary).iterdir()])
    assert not [*(tmp_path / "out").iterdir()]


# A signal that comes when the server has begun, and nobody knows yet that it has.
INTERRUPTED = """import os, signal, subprocess, threading, time
start, sent = subprocess.Popen.__init__, threading.Event()
def interrupted(self, command, *arguments, **options):
    if sent.is_set() and threading.current_thread() is not threading.main_thread():
        time.sleep({seconds})
    start(self, command, *arguments, **options)
    if command[0] == "sleep":
        os.kill(os.getpid(), signal.SIGINT)
        sent.set()
subprocess.Popen.__init__ = interrupted
"""
# The main thread still starts the one that starts the server.
AT_ONCE = """
begin = threading.Thread.start
def slow(self):
    begin(self)
    if self.name.startswith("ThreadPoolExecutor"):
        sent.wait(2)
threading.Thread.start = slow
"""


@pytest.mark.parametrize("moment", [INTERRUPTED.format(seconds=0), INTERRUPTED.format(seconds=2) + AT_ONCE])
def test_a_server_that_has_just_begun_ends_too(tmp_path: Path, moment: str) -> None:
    """A process that nobody knows would stay, and keep its port."""
    (tmp_path / "sitecustomize.py").write_text(moment)
    plan, mark = write_plan(tmp_path, port_for_another(), ["sleep", "600"]), uuid.uuid4().hex
    done = run(plan, "--browser", "none", MARK=mark, PYTHONPATH=str(tmp_path))
    assert (done.returncode, done.stderr) == (130, "Interrupted.\n")
    assert until(lambda: not processes_with(mark))


def test_a_server_that_does_not_end_ends_with_a_rehearsal_that_is_killed(tmp_path: Path) -> None:
    """As programs do that run others in an environment of their own, some moments after Ctrl-C."""
    begun, asked, mark = tmp_path / "begun", tmp_path / "asked", uuid.uuid4().hex
    stays = f"trap 'touch {asked}' TERM; touch {begun}; while :; do sleep 1; done"
    plan = write_plan(tmp_path, port_for_another(), ["sh", "-c", stays])
    with program(
        [*COMMAND, str(plan), "--browser", "none"], env=os.environ | {"MARK": mark}, stderr=subprocess.DEVNULL
    ) as process:
        assert until(begun.exists)
        process.send_signal(signal.SIGINT)
        assert until(asked.exists)
        process.kill()
    assert until(lambda: not processes_with(mark))
