"""What a command tells a program: one JSON document, an exit code, and names for a shell to complete."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from amazonpay_nb.cli import main
from amazonpay_nb.rehearsal.ports import port_for_another
from tests.emulated import SET_UP, Shop
from tests.processes import PATIENCE, listener, program

ROOT = Path(__file__).parents[2]
SERVERS = {"demo", "emulator", "lab"}  # they end when they are told to, and have nothing to say then


def run(folder: Path, *arguments: object, **options: Any) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "amazonpay_nb", *map(str, arguments)]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, encoding="utf-8", check=False, timeout=PATIENCE, **options
    )


def commands(group: click.Group = main, place: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Give every command with its whole name."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*place, name))
        else:
            yield " ".join((*place, name)), command


def test_every_result_comes_as_json() -> None:
    """Each command has --json; the answers of control are JSON anyway."""
    without = {
        name for name, command in commands() if not any("--json" in option.opts for option in command.params)
    }  # fmt: skip
    assert {name for name in without if not name.startswith("control ")} == SERVERS


ONLINE = """\
import contextlib, socket
with contextlib.suppress(OSError):
    socket.create_connection(("192.0.2.1", 80), timeout=0.2)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a key, a notebook that fails in a cell, one whose cells go on, and a matrix."""
    made = tmp_path_factory.mktemp("results")
    assert run(made, "keys", "new", "key.pem").returncode == 0
    (made / "matrix.yaml").write_text("matrix: {flow: [set-up], region: [eu, jp], outcome: [success]}\n", "utf-8")
    cell = {"id": "a", "cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    for name, source in (("broken", "1 / 0 # é"), ("online", ONLINE)):
        cells = [cell | {"source": source}]
        document = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        (made / f"{name}.ipynb").write_text(json.dumps(document), "utf-8")
    narrow = os.environ | {"PYTHONIOENCODING": "latin-1"}
    command = [sys.executable, "-m", "amazonpay_nb", "run", "broken.ipynb", "online.ipynb", "--offline"]
    command += ["--out", "executed", "--json"]
    with (made / "run.json").open("wb") as file:
        assert subprocess.run(command, cwd=made, stdout=file, check=False, env=narrow).returncode == 1
    return made


def same_file(name: str) -> Callable[[Path, Any], bool]:
    return lambda folder, document: document == json.loads((folder / name).read_text("utf-8"))


SHOP = ROOT / "examples/shop_python/rehearsal.toml"
ROWS = [
    ("keys new other.pem", 0, lambda folder, it: {"path", "publicPath", "fingerprint"} == it.keys()),
    ("keys show key.pem", 0, lambda folder, it: it["publicKey"] == (folder / "key.pem.pub").read_text()),
    ("keys check key.pem", 1, lambda folder, it: {row["ok"] for row in it} == {True, False}),
    ("doctor", 0, lambda folder, it: all(row["ok"] and row["text"] for row in it)),
    ("sweep matrix.yaml --list", 0, lambda folder, it: [row["parameters"]["region"] for row in it] == ["eu", "jp"]),
    (f"rehearse {SHOP} --browser none --only button.signature", 0, same_file("out/rehearsal.json")),
    ("parity --only update", 0, lambda folder, it: it["equal"] and not it["different"]),
    ("grade", 0, lambda folder, it: {row["verdict"] for row in it} == {"good"}),
    ("export executed/broken.ipynb", 1, lambda folder, it: (folder / it["path"]).is_file() and "Zero" in it["error"]),
    ("export executed/online.ipynb", 1, lambda folder, it: "192.0.2.1, and this run is offline" in it["error"]),
    ("kit executed/online.ipynb", 1, lambda folder, it: "192.0.2.1, and this run is offline" in it["error"]),
    ("kit 99", 2, None),
]


@pytest.mark.parametrize(("line", "code", "right"), ROWS, ids=[row[0].partition(" /")[0] for row in ROWS])
def test_the_result_is_one_document(
    folder: Path, line: str, code: int, right: Callable[[Path, Any], bool] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Standard output has nothing else; what people read is beside it."""
    monkeypatch.chdir(folder)
    done = CliRunner().invoke(main, [*line.split(), "--json"])

    assert done.exit_code == code, done.output
    assert done.stderr
    assert "Traceback" not in done.stderr
    if right:
        assert right(folder, json.loads(done.stdout)), done.stdout
    else:  # nothing came of it
        assert done.stdout == ""


def test_a_file_of_results_is_given_as_it_is(folder: Path) -> None:
    """A terminal that knows few characters changes no byte of it, and the exit code is that of the run."""
    shown = (folder / "run.json").read_bytes()
    assert shown == (folder / "executed/summary.json").read_bytes()
    assert "é".encode() in shown


def test_where_the_buyer_was_sent(na: Shop, tmp_path: Path) -> None:
    """The merchant's address, and whether it was opened."""
    with listener() as (shop, _):
        for result, opened in (("https://shop.example/result", False), (shop, True)):
            session = na.session(SET_UP | {"webCheckoutDetails": {"checkoutResultReturnUrl": result}})
            address = f"{na.emulator.url}/checkout?amazonCheckoutSessionId={session}"
            done = run(tmp_path, "buyer", "approve", address, "--json")
            assert done.returncode == 0, done.stderr
            place = f"{result}?amazonCheckoutSessionId={session}"
            assert json.loads(done.stdout) == {"address": place, "opened": opened}


def test_what_a_store_holds(tmp_path: Path) -> None:
    """An emulator has made it, and has ended."""
    port = port_for_another()
    command = [sys.executable, "-m", "amazonpay_nb", "emulator", "--port", str(port), "--store", "world.db"]
    with program(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as emulator:
        assert emulator.stdout
        emulator.stdout.readline()
        emulator.terminate()
    done = run(tmp_path, "store", "check", "world.db", "--json")
    assert done.returncode == 0, done.stderr
    assert {row["ok"] for row in json.loads(done.stdout)} == {True}


# --- Completion ---


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_its_script(tmp_path: Path, shell: str) -> None:
    """The line that docs/ci.md gives."""
    done = run(tmp_path, env=os.environ | {"_AMAZONPAY_NB_COMPLETE": f"{shell}_source"})
    assert "_amazonpay_nb_completion" in done.stdout, done.stderr
    assert f"{shell}_complete" in done.stdout


BASH = """
eval "$(_AMAZONPAY_NB_COMPLETE=bash_source amazonpay-nb)"
COMP_WORDS=(amazonpay-nb "$@") COMP_CWORD=$#
_amazonpay_nb_completion amazonpay-nb 2>/dev/null  # outside of a terminal, compopt has nothing to say files to
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("emul", ["emulator"]),
        ("demo r", ["ride", "regions"]),
        ("export ri", ["ride"]),
        ("run 11", ["11_any_scenario"]),
        ("rehearse --only refund.", ["refund.done", "refund.lost-answer", "refund.server-error", "refund.declined"]),
        ("parity --only reports-", ["reports-listed"]),
    ],
)
def test_bash_completes(tmp_path: Path, words: str, names: list[str]) -> None:
    """Commands and choices, and what stories, notebooks, checks and probes are called."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-c", BASH, "bash", *words.split()], cwd=tmp_path, capture_output=True, text=True, check=True,
        env=os.environ | {"PATH": path},
    )  # fmt: skip
    assert sorted(done.stdout.split()) == sorted(names), done.stderr
