"""What docs/ci.md says to people who build on us is what the commands, the action and the image do."""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import click
import pytest
import yaml
from click.testing import CliRunner

from amazonpay_nb.cli import main
from tests.processes import PATIENCE, program, read_only_root, until

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/ci.md").read_text("utf-8")
ACTION = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
HEADING = "| Command | 0 | 1 | 2 | Writes | `--json` prints |"
NOTHING = "–"
HALF = b"POST /v2/charges HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n"


def table(heading: str) -> dict[str, list[str]]:
    """The rows under a heading: the names in the first cell, and the other cells."""
    lines = PAGE[PAGE.index(heading) :].partition("\n\n")[0].splitlines()[2:]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {name: cells for first, *cells in rows for name in re.findall(r"`([^`]+)`", first)}


ENDS = table(HEADING)


def commands(group: click.Group = main, place: str = "") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group) and name != "control":
            yield from commands(command, f"{name} ")
        else:
            yield f"{place}{name}" + (" …" if name == "control" else ""), command


def test_each_command_has_a_row() -> None:
    """Each one that there is, and no other; --json is where the table says so."""
    assert dict(commands()).keys() == ENDS.keys()
    for name, command in commands():
        has = any("--json" in option.opts for option in command.params) or name == "control …"
        assert has == (ENDS[name][4] != NOTHING), name


def test_what_is_written_has_an_option() -> None:
    """The option that says where."""
    every = dict(commands())
    for name, cells in ENDS.items():
        options = {text for option in every[name].params for text in option.opts}
        written = {*re.findall(r"`(--[\w-]+)`", cells[3])}
        assert written <= options, name


REFUSED = """
run 99
run 01 -p region xx
sweep none.yaml
rehearse none.toml
grade http://127.0.0.1:9/none
parity --only none
store check none.db
keys new key.pem
keys show none.pem
export none
kit none
buyer approve http://127.0.0.1:9/
control clock --ready-file none
emulator --host 0.0.0.0
demo none
lab --to key.pem/inside --allow-root
"""
OTHERS = {"keys new key.pem": 0, "keys show key.pem": 0, "keys check key.pem": 1, "none": 2, "run --none": 2}


def test_codes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each command that the table lets be refused is refused with 2 and a message; a dash never happens."""
    monkeypatch.chdir(tmp_path)
    refused = set()
    for line, code in [*OTHERS.items(), *((line, 2) for line in REFUSED.strip().splitlines())]:
        result = CliRunner().invoke(main, line.split())
        assert result.exit_code == code, (line, result.output)
        assert result.output
        assert "Traceback" not in result.output
        name = next((name for name in ENDS if line.startswith(name.removesuffix(" …"))), None)
        assert name is None or ENDS[name][code] != NOTHING, line
        refused |= {name} if name and code == 2 else set()
    assert refused == {name for name, cells in ENDS.items() if cells[2] != NOTHING}


@pytest.mark.parametrize(("command", "number", "code"), [
    ("demo --no-browser", signal.SIGINT, 130), ("demo --no-browser", signal.SIGTERM, 143),
    ("emulator", signal.SIGINT, 0), ("emulator", signal.SIGHUP, 129),
])  # fmt: skip
def test_a_signal_ends_a_command(tmp_path: Path, command: str, number: signal.Signals, code: int) -> None:
    """With the code that the page gives, and without a traceback, although a request is under way."""
    line = [sys.executable, "-m", "amazonpay_nb", *command.split(), "--ready-file", "ready.json"]
    ready = tmp_path / "ready.json"
    with program(line, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert until(ready.exists), "ready.json is not written"
        port = urlsplit(json.loads(ready.read_text("utf-8"))["url"]).port
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as client:
            client.sendall(HALF)
            assert client.recv(99)  # it is read; the emulator waits for the rest
            process.send_signal(number)
            assert process.wait(PATIENCE) == code
        assert process.stderr
        assert "Traceback" not in process.stderr.read()


def test_what_nohup_keeps_away_stays_away(tmp_path: Path) -> None:
    """An emulator that was started with it outlives its terminal."""
    line = ["nohup", sys.executable, "-m", "amazonpay_nb", "emulator", "--ready-file", "ready.json"]
    with program(line, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        assert until((tmp_path / "ready.json").exists), "ready.json is not written"
        process.send_signal(signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0


def test_the_action_is_described() -> None:
    """Each input with its default, and each output."""
    inputs = table("| Input |")
    assert inputs.keys() == ACTION["inputs"].keys()
    for name, row in ACTION["inputs"].items():
        assert inputs[name][1].strip("`") == (row["default"] or "none")
    assert table("| Output |").keys() == ACTION["outputs"].keys()


def test_its_recipes_are_yaml() -> None:
    """Those of the action take its inputs, and ask for outputs that there are."""
    recipes = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
    steps = [step for recipe in recipes if isinstance(recipe, list) for step in recipe]
    uses = [step for step in steps if step.get("uses", "").startswith("OWNER/")]
    assert len(uses) == 4
    assert all(step.get("with", {}).keys() <= ACTION["inputs"].keys() for step in uses)
    assert {*re.findall(r"steps\.amazon-pay\.outputs\.([\w-]+)", PAGE)} <= ACTION["outputs"].keys()


def test_the_shells_recipe(tmp_path: Path) -> None:
    """Its lines but the first, beside an earlier run's file, with a program in the place of the shop's tests."""
    recipe = PAGE[PAGE.index("### A shell") :].split("```sh\n")[1].partition("```")[0]
    install, *lines = recipe.splitlines()
    assert install == "pip install amazonpay-nb"
    ask = 'import os, urllib.request as http; print(http.urlopen(os.environ["AMAZON_PAY_URL"]).status)'
    program = shlex.join([sys.executable, "-c", ask])
    (tmp_path / "ready.json").write_text('{"url": "http://127.0.0.1:9/"}', "utf-8")
    script = "\n".join(lines).replace("vendor/bin/phpunit", program)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-e", "-c", script], cwd=tmp_path, env=os.environ | {"PATH": path, "TMPDIR": str(tmp_path)},
        capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "200"
    assert not [*tmp_path.iterdir()]  # the emulator takes its ready file and its keys along


def test_the_image_holds_what_the_package_needs() -> None:
    """What it copies is here, and is all that a wheel is made of."""
    lines = (ROOT / "Containerfile").read_text("utf-8").splitlines()
    copies = (line for line in lines if line.startswith("COPY ") and "--from" not in line)
    copied = {name for line in copies for name in line.split()[1:-1]}
    assert all((ROOT / name).exists() for name in copied)
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert {name.split("/")[1] for name in wheel["include"]} | {".gitignore"} <= copied
    assert "USER 65532:65532" in lines


def test_what_the_image_starts(tmp_path: Path) -> None:
    """Its command, with its variables, on a file system that can be written to at its place alone."""
    text = (ROOT / "Containerfile").read_text("utf-8").replace("/amazonpay/", f"{tmp_path}/")
    entry, command = (json.loads(re.findall(rf"^{name} (\[.*\])$", text, re.M)[0]) for name in ("ENTRYPOINT", "CMD"))
    variables = dict(pair.split("=") for pair in re.findall(r"^ENV (.*)$", text, re.M)[0].split())
    assert variables["HOME"] == variables["TMPDIR"] == "/amazonpay"
    command[command.index("8000")] = "0"
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {"HOME": str(tmp_path), "TMPDIR": str(tmp_path), "PATH": path}
    with program(read_only_root(tmp_path, *entry, *command), cwd="/", env=environment) as process:
        assert until((tmp_path / "ready.json").exists), "ready.json is not written"
        ready = json.loads((tmp_path / "ready.json").read_text("utf-8"))
        process.terminate()
        assert process.wait(PATIENCE) == 0
    assert ready["url"].startswith("http://127.0.0.1:")
    assert Path(ready["privateKeyFile"]).is_relative_to(tmp_path)
