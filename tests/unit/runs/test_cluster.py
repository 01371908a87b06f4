"""Sweeps on a Dask cluster: a scheduler and workers in processes and folders of their own, some of which die."""

import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from itertools import count
from pathlib import Path

import pytest
from distributed import Client

from amazonpay_nb.emulator import Emulator
from amazonpay_nb.runs.sweep import cases_of
from tests.processes import PATIENCE, program, until
from tests.unit.runs.test_runner import write
from tests.unit.runs.test_sweep import command, matrix, rows_of

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals")
PACKAGE = Path(__file__).parents[3] / "amazonpay_nb"
COMMAND = [sys.executable, "-m", "amazonpay_nb", "sweep"]
# Like all that is below them, a worker's kernels have its process number in their environment.
DASK = ["/bin/sh", "-c", 'export WORKER=$$; ulimit -S -n 1024; exec "$@"', "sh", sys.executable, "-m", "dask"]
Process = subprocess.Popen[str]
DEADLY = """import os, signal
if count == 2:
    os.kill(int(os.environ["WORKER"]), signal.SIGKILL)"""
WAITS = """    while not pathlib.Path(flag).exists():
        time.sleep(0.1)"""
LATE = f"""import pathlib, time
def dask_setup(worker):
    flag = {{flag!r}}
    print("It has not joined yet.", flush=True)
{WAITS}
"""
STAYS = """import time
time.sleep(300 * (count - 1))"""


class Cluster:
    """A scheduler on this machine, and what starts workers that share nothing with it."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack
        file = folder / "scheduler.json"
        self.scheduler = self._start("scheduler", "scheduler", "--port", "0", "--scheduler-file", file)
        assert until(lambda: file.exists() and file.read_text())
        self.address = json.loads(file.read_text())["address"]

    def _start(self, name: str, *arguments: object, **variables: str) -> Process:
        home = self._folder / name
        (home / "tmp").mkdir(parents=True)
        line = [*DASK, *map(str, arguments), "--host", "127.0.0.1", "--no-dashboard"]
        env = os.environ | {"TMPDIR": str(home / "tmp")} | variables
        with (home / "log").open("w") as log:
            process = subprocess.Popen(line, cwd=home, env=env, stdout=log, stderr=log, text=True)
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)
        return process

    def worker(self, name: str, threads: int = 1, waits_for: str = "Registered to", **variables: str) -> Process:
        """Start a worker; its log has the words when this returns, which are that it is there."""
        nanny = "--nanny" if waits_for == "ModuleNotFoundError" else "--no-nanny"  # one without ends with its start
        process = self._start(name, "worker", self.address, nanny, "--nthreads", threads, **variables)
        assert until(lambda: waits_for in (self._folder / name / "log").read_text())
        return process


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with ExitStack() as stack:
        yield Cluster(tmp_path / "cluster", stack)


def sweep(path: Path, out: Path, *options: object, **variables: str) -> AbstractContextManager[Process]:
    line, env = [*COMMAND, str(path), "--out", str(out), *map(str, options)], os.environ | variables
    return program(line, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def ends(process: Process) -> tuple[int, str]:
    """Return the exit code and what was printed."""
    output, _ = process.communicate(timeout=PATIENCE)
    return process.returncode, output


def other_version(folder: Path) -> str:
    """Let Python find another version of the package in a folder, and return the folder."""
    other = folder / "amazonpay_nb-99.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: amazonpay-nb\nVersion: 99\n")
    return str(folder)


def without_workbook(folder: Path) -> str:
    """Let Python find no nbformat, as where the extra is not installed, and return the folder."""
    (folder / "nbformat-0.dist-info").mkdir(parents=True)
    (folder / "nbformat.py").write_text("raise ModuleNotFoundError(\"No module named 'nbformat'\", name='nbformat')")
    return str(folder)


def has_lines(out: Path, count: int = 1) -> Callable[[], bool]:
    return lambda: (out / "cases.jsonl").exists() and (out / "cases.jsonl").read_text("utf-8").count("\n") >= count


def test_a_cluster_that_loses_a_worker_gives_what_this_machine_gives(cluster: Cluster, tmp_path: Path) -> None:
    """Line for line but for the seconds: worlds are seeded, so even the ids are equal."""
    cluster.worker("one")
    two = cluster.worker("two", threads=2)
    path = matrix(tmp_path, matrix={"flow": ["express"], "region": ["na", "eu", "jp"], "outcome": ["soft-decline"]})
    away, here = tmp_path / "away", tmp_path / "here"
    with sweep(path, away, "--scheduler", cluster.address) as process:
        assert until(has_lines(away))
        assert resource.prlimit(two.pid, resource.RLIMIT_NOFILE)[0] > 1024  # as its threads may need
        two.kill()
        assert ends(process)[0] == 0
    with sweep(path, here) as process:
        assert ends(process)[0] == 0
    assert len(rows_of(here)) == 3
    assert rows_of(away) == rows_of(here)
    made = [sorted(str(file.relative_to(out)) for file in out.rglob("*.*")) for out in (away, here)]
    assert made[0] == made[1]


def test_a_case_that_kills_its_workers_is_given_up_after_two(cluster: Cluster, tmp_path: Path) -> None:
    """It has failed, with a page of the notebook and no journal; the others are played, and the third worker lives."""
    workers = [cluster.worker(name) for name in ("one", "two", "three")]
    write(tmp_path, "mine", DEADLY)
    path, out = matrix(tmp_path, notebooks=["mine.ipynb"], matrix={"count": [1, 2, 3]}), tmp_path / "out"
    earlier = (out / cases_of(path)[1].page).with_name("mine.journal.jsonl")
    earlier.parent.mkdir(parents=True)
    earlier.write_text("{}")
    with sweep(path, out, "--scheduler", cluster.address) as process:
        code, output = ends(process)
    assert (code, [row["status"] for row in rows_of(out)]) == (1, ["passed", "failed", "passed"]), output
    assert sorted(worker.poll() or 0 for worker in workers) == [-signal.SIGKILL, -signal.SIGKILL, 0]
    assert rows_of(out)[1]["error"] == "Two workers died while they had this case; their logs say why."
    (row,) = (run for run in json.loads((out / "summary.json").read_text())["runs"] if run["failure"])
    assert "SIGKILL" in (out / row["page"]).read_text("utf-8")
    assert not earlier.exists()


def test_a_cluster_that_cannot_be_used_is_named(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 2 and one sentence: nobody there, no worker, another version; cases of before stay, no verdict does."""
    from amazonpay_nb.runs import cluster as clusters

    write(tmp_path, "mine", "1")
    path, out = matrix(tmp_path, notebooks=["mine.ipynb"], matrix={"count": [1, 2]}), tmp_path / "out"
    out.mkdir()
    for name in ("cases.jsonl", "summary.json"):
        (out / name).write_text("before")

    def refusal(address: str, *options: object) -> str:
        done = command(path, "--out", out, "--scheduler", address, *options)
        assert (done.exit_code, "Traceback" in done.output) == (2, False), done.output
        return done.output

    monkeypatch.setattr(clusters, "_PATIENCE_SECONDS", 1)
    assert "No scheduler answers at tcp://127.0.0.1:1" in refusal("tcp://127.0.0.1:1")
    assert "--jobs and --cold are for this machine" in refusal("tcp://127.0.0.1:1", "--jobs", "2")
    monkeypatch.setattr(clusters, "_PATIENCE_SECONDS", 10)
    assert f"The scheduler at {cluster.address} has no worker." in refusal(cluster.address)
    monkeypatch.setattr(clusters, "_PATIENCE_SECONDS", PATIENCE)
    with cluster.worker("other", PYTHONPATH=other_version(tmp_path)) as other:
        assert "there is version 99 of amazonpay-nb; here is " in refusal(cluster.address)
        other.kill()
    with cluster.worker("lean", PYTHONPATH=without_workbook(tmp_path / "lean")) as lean:
        words = "the extra workbook of amazonpay-nb is not installed.\npip install 'amazonpay-nb[workbook]'\n"
        assert words in refusal(cluster.address)
        lean.kill()
    cluster.worker("full")
    shutil.rmtree(tmp_path / "cluster" / "full" / "tmp")
    assert "A worker cannot prepare its kernels: FileNotFoundError: " in refusal(cluster.address)
    assert {path.name: path.read_text() for path in out.iterdir()} == {"cases.jsonl": "before"}


def test_a_worker_that_hangs_is_named(cluster: Cluster, tmp_path: Path) -> None:
    """One without the extra that joins after the first sweep neither starts nor ends, and answers nobody."""
    write(tmp_path, "mine", "1")
    path, out = matrix(tmp_path, notebooks=["mine.ipynb"], matrix={"count": [1]}), tmp_path / "out"
    cluster.worker("one")
    with sweep(path, out, "--scheduler", cluster.address) as process:
        assert ends(process)[0] == 0
    cluster.worker("lean", waits_for="ModuleNotFoundError", PYTHONPATH=without_workbook(tmp_path / "lean"))
    with sweep(path, out, "--scheduler", cluster.address, DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT="20s") as process:
        code, output = ends(process)
    assert (code, "Traceback" in output) == (2, False), output
    (address,) = re.findall("Start worker at: +(.*)", (tmp_path / "cluster" / "lean" / "log").read_text())
    assert f"has a worker that does not answer: {address}." in output


def test_a_worker_with_another_edition_plays_no_case(cluster: Cluster, tmp_path: Path) -> None:
    """The same version with a change in it is found with the first case, and so is a worker that comes later."""
    theirs = tmp_path / "theirs"
    shutil.copytree(PACKAGE, theirs / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__"))
    with (theirs / PACKAGE.name / "errors.py").open("a") as file:
        file.write("# one line more\n")
    write(tmp_path, "mine", "1")
    path = matrix(tmp_path, notebooks=["mine.ipynb"], matrix={"count": [1, 2]})
    cluster.worker("other", PYTHONPATH=str(theirs))
    done = command(path, "--out", tmp_path / "out", "--scheduler", cluster.address)
    assert (done.exit_code, "Traceback" in done.output) == (2, False), done.output
    assert "cannot run mine.ipynb: it has another edition of amazonpay-nb; install the same one on both." in done.output


def test_what_is_no_scheduler_is_named(tmp_path: Path) -> None:
    """It may say nothing, be a web server, or be no address at all; nothing waits without an end.

    A client that is given up keeps Dask's lock for a while, and the next one of its process waits for that.
    """
    settings = {
        "it says nothing": {"DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "4s"},
        "encryption required by Dask configuration": {"DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION": "true"},
    }
    write(tmp_path, "mine", "1")
    path = matrix(tmp_path, notebooks=["mine.ipynb"], matrix={"count": [1]})
    with socket.create_server(("127.0.0.1", 0)) as silent, Emulator(in_process=False) as web:
        reasons = {
            f"tcp://127.0.0.1:{silent.getsockname()[1]}": "it says nothing",
            web.url.replace("http", "tcp"): "it is another server, such as its dashboard",
            "tls://127.0.0.1:1": "TLS",
            "tcp://127.0.0.1:2": "encryption required by Dask configuration",
            "": "missing port",
        }
        for address, reason in reasons.items():
            with sweep(path, tmp_path / "out", "--scheduler", address, **settings.get(reason, {})) as process:
                code, output = ends(process)
            assert (code, "Traceback" in output) == (2, False), output
            assert output.startswith(f"ConfigurationError: No scheduler answers at {address}: {reason}")


def test_a_sweep_that_has_lost_its_workers_ends(cluster: Cluster, tmp_path: Path) -> None:
    """It waits for another as long as it says, and goes on with that; without one, it ends with a sentence."""
    flags = [tmp_path / name for name in ("second", "third")]
    write(tmp_path, "mine", f"import pathlib, time\nfor flag in {list(map(str, flags))}[:count - 1]:\n{WAITS}")
    path, out = matrix(tmp_path, notebooks=["mine.ipynb"], matrix={"count": [1, 2, 3]}), tmp_path / "out"
    one = cluster.worker("one")
    # What it takes to start does not count; where `one` was, it joins at once.
    (tmp_path / "late.py").write_text(LATE.format(flag=str(flags[0])))
    preload = {"DASK_DISTRIBUTED__WORKER__PRELOAD": repr([str(tmp_path / "late.py")])}
    two = cluster.worker("two", waits_for="It has not joined yet.", **preload)
    with sweep(path, out, "--scheduler", cluster.address, DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT="45s") as process:
        assert until(has_lines(out))
        one.kill()
        flags[0].touch()
        assert until(has_lines(out, 2))
        two.kill()
        code, output = ends(process)
    assert (code, "Traceback" in output) == (2, False), output
    assert f"The scheduler at {cluster.address} has no worker." in output
    rows = map(json.loads, (out / "cases.jsonl").read_text("utf-8").splitlines())
    assert [row["status"] for row in rows] == ["passed", "passed"]


def test_a_worker_that_dies_before_it_is_asked_costs_no_case(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the moment in which there is a worker and the one in which its threads are counted."""
    from amazonpay_nb.runs import cluster as clusters

    write(tmp_path, "mine", "1")
    path, out = matrix(tmp_path, notebooks=["mine.ipynb"], matrix={"count": [1, 2]}), tmp_path / "out"
    worker, wait_for_workers, calls = cluster.worker("one"), Client.wait_for_workers, count(1)

    def and_lose_it(client: Client, *arguments: object, **settings: object) -> None:
        wait_for_workers(client, *arguments, **settings)
        if next(calls) > 1:  # the first is before the versions are compared
            worker.kill()
            assert until(lambda: not client.nthreads())
            monkeypatch.setattr(clusters, "_PATIENCE_SECONDS", 2)  # there is nothing left to wait for

    monkeypatch.setattr(Client, "wait_for_workers", and_lose_it)
    monkeypatch.setattr(clusters, "_PATIENCE_SECONDS", PATIENCE)
    done = command(path, "--out", out, "--scheduler", cluster.address)
    assert done.exit_code == 2, done.output
    assert f"The scheduler at {cluster.address} has no worker." in done.output


@pytest.mark.parametrize(("what", "said"), [(signal.SIGKILL, "is gone"), (signal.SIGSTOP, "does not answer")])
def test_a_scheduler_that_dies_costs_no_case_that_has_ended(
    what: signal.Signals, said: str, cluster: Cluster, tmp_path: Path
) -> None:
    """One sentence, exit code 2, and lines from which another sweep goes on."""
    write(tmp_path, "mine", STAYS)
    path, out = matrix(tmp_path, notebooks=["mine.ipynb"], matrix={"count": [1, 2]}), tmp_path / "out"
    cluster.worker("one", threads=2)
    with sweep(path, out, "--scheduler", cluster.address, DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT="10s") as process:
        assert until(has_lines(out))
        cluster.scheduler.send_signal(what)
        code, output = ends(process)
    assert (code, "Traceback" in output) == (2, False), output
    assert f"The scheduler at {cluster.address} {said}" in output
    assert "--resume" in output
    assert len((out / "cases.jsonl").read_text("utf-8").splitlines()) == 1
