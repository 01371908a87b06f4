"""A temporary folder may hold a private key, so nothing that ends its process leaves it behind."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from amazonpay_nb.emulator import Emulator
from amazonpay_nb.temporary import TemporaryFolder
from tests.processes import PATIENCE, program, until

ROOT = Path(__file__).parents[2]
HOLD = """
from amazonpay_nb.emulator import Emulator
with Emulator() as emulator:
    print(emulator.merchant.private_key_file, flush=True)
    input()
"""

LEND = """
from amazonpay_nb.temporary import TemporaryFolder
folder = TemporaryFolder(lent=True)
print(folder.path, flush=True)
input()
folder.close()
print("closed", flush=True)
"""
BROWSER = ["/bin/sh", "-c", 'read -r _; mkdir -p "${TMPDIR:-${1#*=}}/profile"', "browser"]


def gone(path: Path) -> bool:
    """Wait for the one who tidies up, who works on its own."""
    return until(lambda: not path.exists())


@contextmanager
def holder(temporary: Path, **variables: str) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Run a process with an emulated key below a folder; give both."""
    with program(
        [sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env=os.environ | {"TMPDIR": str(temporary)} | variables, text=True, start_new_session=True,
    ) as process:  # fmt: skip
        assert process.stdout
        key = Path(process.stdout.readline().strip())
        assert key.exists()
        yield process, key


def test_a_folder_ends_with_its_block_and_is_its_owners_alone() -> None:
    """Mode 0700, and nothing left."""
    with closing(TemporaryFolder()) as folder:
        (folder.path / "key.pem").write_text("secret")
        assert folder.path.stat().st_mode & 0o777 == 0o700
    assert not folder.path.exists()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT], ids=lambda n: n.name)
def test_a_key_does_not_outlive_its_process(number: signal.Signals, tmp_path: Path) -> None:
    """Also a process that cannot tidy up by itself leaves no key, below TMPDIR."""
    with holder(tmp_path) as (process, key):
        assert tmp_path in key.parents
        os.killpg(process.pid, number)
    assert gone(key.parent)


@pytest.mark.parametrize(
    ("number", "place", "words"),
    [(signal.SIGKILL, "environ", "JOB={job}\0"), (signal.SIGTERM, "status", "PPid:\t{parent}\n")],
    ids=["killed", "asked to end"],
)
def test_a_key_does_not_outlive_its_job(number: signal.Signals, place: str, words: str, tmp_path: Path) -> None:
    """A CI service kills all that have the number of the job in a variable; systemd asks all of a unit to end."""
    with holder(tmp_path, JOB=str(tmp_path)) as (process, key):
        mark, others = words.format(job=tmp_path, parent=process.pid), []
        for path in Path("/proc").glob(f"[0-9]*/{place}"):
            with suppress(OSError):
                others += [int(path.parent.name)] * (mark.encode() in path.read_bytes())
        for one in sorted({*others, process.pid}, key=process.pid.__eq__):
            os.kill(one, number)
    assert process.returncode == -number
    assert gone(key.parent)


def test_a_key_does_not_outlive_a_process_that_finds_no_program(tmp_path: Path) -> None:
    """A service may have the folder of its Python alone in PATH."""
    with holder(tmp_path, PATH=str(tmp_path)) as (process, key):
        process.kill()
    assert gone(key.parent)


def test_a_folder_is_known_by_its_whole_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one who tidies up works elsewhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", ".")
    with closing(TemporaryFolder()) as folder:
        assert folder.path.is_absolute()
        assert folder.path.parent == tmp_path


@pytest.mark.parametrize("in_process", [False, True])
def test_an_emulator_that_was_stopped_makes_no_key(in_process: bool) -> None:
    """Whoever asks for one is told so: nobody would delete it."""
    with Emulator(seed=7, in_process=in_process) as emulator:
        folder = emulator.folder
    for wish in (emulator.start, lambda: emulator.merchant, emulator.ready):
        with pytest.raises(ValueError, match="this emulator was stopped"):
            wish()
    assert not folder.exists()


def test_a_fork_that_ends_leaves_the_key_of_its_parent() -> None:
    """The folder is that of the process which made it: also where a fork ends as a program does, or closes it."""
    script = (
        "import os, sys; from amazonpay_nb.temporary import TemporaryFolder\n"
        "folder = TemporaryFolder()\n"
        "for close in (False, True):\n"
        "    if not (child := os.fork()): sys.exit(close and folder.close())\n"
        "    assert os.waitpid(child, 0)[1] == 0 and folder.path.exists()\n"
        "folder.close()\n"
        "assert not folder.path.exists()"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=PATIENCE)


@pytest.mark.parametrize("killed", [True, False], ids=["killed", "closed"])
@pytest.mark.parametrize("known_by", ["variable", "argument"])
def test_a_folder_that_a_browser_makes_anew_goes_too(killed: bool, known_by: str) -> None:
    """It lives on for a while after its parent, and inherits no file."""
    command = [sys.executable, "-c", LEND]
    with program(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdin
        assert owner.stdout
        path = Path(owner.stdout.readline().strip())
        variables, arguments = ({"TMPDIR": str(path)}, []) if known_by == "variable" else ({}, [f"--data-dir={path}"])
        browser = subprocess.Popen([*BROWSER, *arguments], stdin=subprocess.PIPE, env=variables)
        if killed:
            owner.kill()
        else:
            owner.stdin.write("close\n")
            owner.stdin.flush()
            assert owner.stdout.readline() == "closed\n"
    assert gone(path)
    browser.communicate(b"make it anew\n", PATIENCE)
    assert browser.returncode == 0
    assert gone(path)


def test_a_folder_that_nobody_would_watch_is_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that is killed, or gets no other, as it begins leaves nothing either."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: Path("/nowhere").stat())
    with pytest.raises(OSError, match="/nowhere"):
        TemporaryFolder()
    assert not [*tmp_path.iterdir()]


def test_nbval_leaves_no_key(tmp_path: Path) -> None:
    """It kills its kernels."""
    notebook = ROOT / "notebooks/00_start_here.ipynb"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.nbval_kernels", "--nbval-lax", "--nbval-current-env"]
    done = subprocess.run(
        [*command, str(notebook)], cwd=ROOT,
        env=os.environ | {"TMPDIR": str(tmp_path)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert all(gone(path) for path in tmp_path.glob("amazonpay-nb-*"))
