"""The GitHub action: each step's script runs here as the runner runs it, on this checkout."""

import json
import os
import re
import signal
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from amazonpay_nb.client import AmazonPayAuth, AmazonPayClient
from amazonpay_nb.signing.keys import load
from tests.emulated import SET_UP
from tests.processes import PATIENCE, until

ROOT = Path(__file__).parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
INSTALL, START, RUN = ACTION["runs"]["steps"]
REPOSITORY = ("json.py", "os.py", "pip.py", "re.py", "venv.py")
EXPRESSION = re.compile(r"\$\{\{ ([\w.-]+) \}\}")


class Runner:
    """What the runner does for one use of the action: contexts, variables, files for outputs and for the path."""

    def __init__(self, folder: Path, temporary: Path) -> None:
        self.folder, self.output, self.path, self.source = folder, folder / "output", folder / "path", ROOT
        for file in (self.output, self.path):
            file.touch()
        for name in REPOSITORY:  # each step runs there
            (folder / name).write_text("raise SystemExit('This is not the module that was meant.')")
        # Packages come from this environment, so that the installation downloads nothing.
        here = {"PYTHONPATH": sysconfig.get_path("purelib")}
        here |= {"PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0"}
        files = {"GITHUB_OUTPUT": str(self.output), "GITHUB_PATH": str(self.path), "RUNNER_TEMP": str(temporary)}
        self.variables = os.environ | here | files

    def step(self, step: Mapping[str, Any], **inputs: str) -> "subprocess.CompletedProcess[str]":
        """Run one step, with the options that the runner gives to bash."""
        values = {name: row["default"] for name, row in ACTION["inputs"].items()} | inputs
        context = {f"inputs.{name}": value for name, value in values.items()}
        variables = {name: EXPRESSION.sub(lambda at: context[at[1]], text) for name, text in step["env"].items()}
        script = self.folder / "script.sh"
        script.write_text(step["run"], "utf-8")
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)], cwd=self.folder, text=True,
            capture_output=True, env=self.variables | {"GITHUB_ACTION_PATH": str(self.source)} | variables,
            timeout=PATIENCE, check=False,
        )  # fmt: skip

    def outputs(self) -> dict[str, str]:
        """The action's outputs."""
        lines = (line.partition("=") for line in self.output.read_text("utf-8").splitlines())
        values = {f"steps.emulator.outputs.{name}": value for name, _, value in lines}
        rows = ACTION["outputs"].items()
        return {name: EXPRESSION.sub(lambda at: values.get(at[1], ""), row["value"]) for name, row in rows}


@pytest.fixture(scope="module")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a job in which the action has been installed."""
    folder = tmp_path_factory.mktemp("runner's own")
    runner = Runner(tmp_path_factory.mktemp("install"), folder)
    for _ in range(2):  # a second use finds what the first one has installed
        done = runner.step(INSTALL, python=sys.executable)
        assert done.returncode == 0, done.stdout + done.stderr
    runner.source = runner.folder
    done = runner.step(INSTALL, python=sys.executable)
    assert (done.returncode, "from another version of the action" in done.stdout) == (2, True)
    (place,) = runner.path.read_text("utf-8").splitlines()
    (command,) = Path(place).iterdir()
    shown = subprocess.run([command, "--help"], env=runner.variables, check=True, capture_output=True, text=True).stdout
    assert shown.startswith("Usage: amazonpay-nb")
    for what in ("rehearse", "run", "sweep"):  # their packages are in the same place here
        (folder / f"amazonpay-nb-{what}").symlink_to("amazonpay-nb-emulator")
    return folder


@pytest.fixture
def runner(tmp_path: Path, temporary: Path) -> Iterator[Runner]:
    """The job's next step; what it leaves running ends with the test."""
    runner = Runner(tmp_path, temporary)
    yield runner
    if pid := runner.outputs()["pid"]:
        with suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGTERM)


def test_no_script_has_an_expression() -> None:
    """An expression would be replaced in the script's text, and an input would be run."""
    for step in ACTION["runs"]["steps"]:
        assert "${{" not in step["run"]
        # In a job that has a container, an expression has the paths outside of it, and a variable those within.
        assert {*EXPRESSION.findall(str(step["env"]))} <= {f"inputs.{name}" for name in ACTION["inputs"]}
    assert [step["if"] for step in (START, RUN)] == ["inputs.what == 'emulator'", "inputs.what != 'emulator'"]


@pytest.mark.parametrize("python", ["/bin/false", "python-of-nobody"])
def test_a_python_that_will_not_do(tmp_path: Path, python: str) -> None:
    """One that says no to its version, and one that is not there: a sentence for both."""
    done = Runner(tmp_path, tmp_path).step(INSTALL, python=python)
    assert (done.returncode, "no Python of 3.11 or newer" in done.stdout) == (2, True), done.stdout + done.stderr


def test_it_installs_what_there_is() -> None:
    """The extras of its commands, with that of a sweep's --scheduler, are extras of the package."""
    extras = {extra for row in re.findall(r"='\[([\w,]+)\]'", INSTALL["run"]) for extra in row.split(",")}
    assert extras == {"rehearse", "workbook", "cluster"}
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    assert extras <= declared.keys()


def test_no_module_of_the_repository_is_taken_for_one_of_pythons(runner: Runner) -> None:
    """Its own modules may have any names, and whoever proposes a change to it chooses them."""
    assert (runner.folder / "json.py").exists()
    done = runner.step(START)
    assert done.returncode == 0, done.stdout + done.stderr
    assert runner.outputs()["url"].startswith("http://127.0.0.1:")


@pytest.fixture
def started(runner: Runner) -> tuple[Runner, "subprocess.CompletedProcess[str]"]:
    """An emulator that a step has left running, as a proxy as well."""
    done = runner.step(START, arguments="--region eu\n  --proxy --ready-file none --domain 'shop.example'")
    assert done.returncode == 0, done.stdout + done.stderr
    return runner, done


def test_the_next_step_has_an_emulator(started: tuple[Runner, "subprocess.CompletedProcess[str]"]) -> None:
    """It answers signed requests with the outputs alone; each output has a value where the options bring it."""
    runner, _ = started
    outputs = runner.outputs()
    assert {name for name, value in outputs.items() if not value} == {"ca-file"}
    assert (outputs["region"], outputs["script-url"]) == ("eu", f"{outputs['url']}/checkout.js")
    assert json.loads(Path(outputs["ready-file"]).read_text("utf-8"))["url"] == outputs["url"]
    auth = AmazonPayAuth(load(outputs["private-key-file"], outputs["public-key-id"]))
    with AmazonPayClient(auth, region="eu", environment="emulator", base_url=outputs["url"]) as amazon_pay:
        session = amazon_pay.create_checkout_session(
            store_id=outputs["store-id"], web_checkout_details=SET_UP["webCheckoutDetails"]
        )
    assert session.state == "Open"


def test_its_secrets_are_masked(started: tuple[Runner, "subprocess.CompletedProcess[str]"]) -> None:
    """Before anything can print them; and neither is an output."""
    runner, done = started
    ready = json.loads(Path(runner.outputs()["ready-file"]).read_text("utf-8"))
    masked = {line.removeprefix("::add-mask::") for line in done.stdout.splitlines() if line.startswith("::add-mask::")}
    key = Path(ready["privateKeyFile"]).read_text("utf-8").splitlines()
    assert {ready["controlToken"], *key[1:-2]} <= masked
    assert not any(secret in runner.output.read_text("utf-8") for secret in masked)


def test_it_ends_with_its_process(runner: Runner) -> None:
    """Its keys go with it; the job's end does the same."""
    assert runner.step(START).returncode == 0
    outputs = runner.outputs()
    os.kill(int(outputs["pid"]), signal.SIGTERM)
    assert until(lambda: not Path(outputs["private-key-file"]).exists())


@pytest.mark.parametrize(
    ("inputs", "code", "message"),
    [
        ({"arguments": "--region xx"}, 2, "'xx' is not one of 'na', 'eu', 'jp'"),
        ({"arguments": "--region 'eu"}, 1, "No closing quotation"),
        ({"what": "run", "arguments": "99"}, 2, "'99' is no notebook"),
        ({"what": "sweep", "arguments": "'my matrix.yaml' --list"}, 0, "11_any_scenario flow=set-up"),
        ({"what": "rehearse", "arguments": "none.toml"}, 2, "'none.toml' does not exist"),
    ],
)
def test_the_step_ends_as_the_command_does(runner: Runner, inputs: dict[str, str], code: int, message: str) -> None:
    """The same exit code, and its message in the step's log."""
    (runner.folder / "my matrix.yaml").write_text("include: [{flow: set-up, region: na, outcome: success}]", "utf-8")
    done = runner.step(RUN if "what" in inputs else START, **inputs)
    assert done.returncode == code, done.stdout + done.stderr
    assert message in done.stdout + done.stderr


@pytest.mark.parametrize(
    "hostile", ["true; touch pwned; $(touch pwned) `touch pwned` #", "true\ntouch pwned", "' || touch pwned || '"]
)
def test_an_input_is_never_run(runner: Runner, hostile: str) -> None:
    """Neither in a script nor on the way to the command."""
    assert runner.step(START, arguments=hostile).returncode
    assert runner.step(RUN, what="run", arguments=hostile).returncode
    runner.variables["RUNNER_TEMP"] = str(runner.folder)
    assert runner.step(INSTALL, what=hostile).returncode
    assert runner.step(INSTALL, python=hostile).returncode
    assert {path.name for path in runner.folder.iterdir()} == {"output", "path", "script.sh", *REPOSITORY}
    assert not runner.output.read_text() + runner.path.read_text()
