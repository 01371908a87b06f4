"""A reader's own copies: trusted, never overwritten once they are changed, and nothing else is written."""

import hashlib
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.sign import NotebookNotary
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.loopback import http_client
from amazonpay_nb.runs.lab import believed, bring_up_to_date, edition
from amazonpay_nb.runs.notebook import find_notebooks, notebook_folder
from tests.kernels import PortlessKernel
from tests.processes import PATIENCE, answers, program, read_only, until

ROOT = Path(__file__).parents[3]
NAME, NEWER = "notebooks/01_one.ipynb", "notebooks/01_one.newer.ipynb"
TO_THIS_FOLDER = re.compile(r"\]\(([^)#\s:]+)(?:#[^)]*)?\)")


def version(*sources: str, page: str = "One page.") -> dict[str, bytes]:
    """An edition of one notebook, which was run, and of one page."""
    outputs = [new_output("stream", text="as committed\n")]
    cells = [new_code_cell(source, execution_count=1, outputs=outputs) for source in sources]
    notebook = nbformat.writes(new_notebook(cells=[new_markdown_cell("# One"), *cells]))
    return {NAME: notebook.encode(), "docs/page.md": page.encode()}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "mine"


@pytest.fixture
def update(folder: Path) -> Callable[..., list[str]]:
    """Bring the folder up to date, and return what was said."""

    def update(files: dict[str, bytes], *, fresh: bool = False) -> list[str]:
        said: list[str] = []
        bring_up_to_date(folder, files, fresh=fresh, say=said.append)
        return said

    return update


def sources(path: Path) -> list[str]:
    return [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def change(path: Path, source: str | None = None, output: str = "") -> None:
    """What a reader does: types into the first code cell, or runs it, and saves."""
    document = nbformat.read(path, as_version=4)
    cell = next(cell for cell in document.cells if cell.cell_type == "code")
    cell.source = cell.source if source is None else source
    cell.outputs = [new_output("stream", text=output)] if output else []
    nbformat.write(document, path)


def test_a_copy_has_no_outputs_and_is_trusted(folder: Path, update: Callable[..., list[str]]) -> None:
    """By a JupyterLab that knows this folder's signatures; what appears in it stays trusted."""
    assert not update(version("a = 1"))
    copy = nbformat.read(folder / NAME, as_version=4)
    assert [(cell.outputs, cell.execution_count) for cell in copy.cells[1:]] == [([], None)]
    notary = NotebookNotary(data_dir=str(believed(folder)))
    assert notary.check_signature(copy)
    notary.store.close()
    assert (folder / "docs/page.md").read_text() == "One page."


def test_a_copy_that_is_only_read_follows_a_newer_edition(folder: Path, update: Callable[..., list[str]]) -> None:
    """Without a word, and nothing is kept of it."""
    update(version("a = 1"))
    change(folder / NAME, "a = 1")
    assert not update(version("a = 2", page="Another."))
    assert sources(folder / NAME) == ["a = 2"]
    assert (folder / "docs/page.md").read_text() == "Another."
    assert not (folder / "earlier").exists()


def test_outputs_stay_until_there_is_a_newer_edition_and_are_kept_then(
    folder: Path, update: Callable[..., list[str]]
) -> None:
    """To run a notebook changes none of its sources, but what came of it may matter to somebody."""
    update(version("a = 1"))
    change(folder / NAME, output="mine")
    assert not update(version("a = 1"))
    assert "mine" in (folder / NAME).read_text()
    (said,) = update(version("a = 2"))
    (kept,) = (folder / "earlier").rglob("*.ipynb")
    assert said == f"Your earlier {NAME} is now {kept}."
    assert "mine" in kept.read_text()
    assert sources(folder / NAME) == ["a = 2"]


@pytest.mark.parametrize(
    ("rest", "kept"),
    [
        ({"metadata": {"slideshow": {"slide_type": "slide"}}}, True),
        ({"attachments": {"logo.png": {"image/png": "aGVsbG8="}}}, True),
        ({"metadata": {"execution": {"shell.execute_reply": "2026-11-29T12:00:00Z"}}, "execution_count": 2}, False),
    ],
    ids=["metadata", "attachments", "a run without outputs"],
)
def test_what_else_a_reader_has_put_into_cells_is_kept(
    folder: Path, update: Callable[..., list[str]], rest: dict[str, Any], kept: bool
) -> None:
    """An instructor makes slides of a chapter; a run alone writes something into cells, too."""
    update(version("a = 1"))
    document = json.loads((folder / NAME).read_text())
    document["cells"][0 if "attachments" in rest else 1] |= rest
    (folder / NAME).write_text(changed := json.dumps(document))
    assert not update(version("a = 1"))
    assert (folder / NAME).read_text() == changed
    said = update(version("a = 2"))
    copies = [*(folder / "earlier").rglob("*.ipynb")]
    assert said == [f"Your earlier {NAME} is now {copy}." for copy in copies]
    assert [copy.read_text() for copy in copies] == [changed] * kept
    assert sources(folder / NAME) == ["a = 2"]


def test_a_newer_edition_is_put_beside_a_changed_copy_once(folder: Path, update: Callable[..., list[str]]) -> None:
    """Whoever deletes it is not asked again, until there is another one."""
    update(version("a = 1", 'buyer = "auto"'))
    change(folder / NAME, "a = 17")
    assert not update(version("a = 1", 'buyer = "auto"'))
    assert update(version("a = 2")) == [f"{NAME} is yours; the newer edition is beside it: {NEWER}."]
    assert (sources(folder / NAME)[0], sources(folder / NEWER)) == ("a = 17", ["a = 2"])
    assert not update(version("a = 2"))
    (folder / NEWER).unlink()
    assert not update(version("a = 2"))
    assert not (folder / NEWER).exists()
    update(version("a = 3"))
    assert sources(folder / NEWER) == ["a = 3"]


def test_there_is_one_newer_edition_of_a_chapter_and_a_changed_one_is_kept(
    folder: Path, update: Callable[..., list[str]]
) -> None:
    """A reader may have gone on in it."""
    update(version("a = 1"))
    change(folder / NAME, "a = 17")
    update(version("a = 2"))
    change(folder / NEWER, "a = 18")
    said = update(version("a = 3"))
    (kept,) = (folder / "earlier").rglob("*.ipynb")
    assert said[0] == f"Your earlier {NEWER} is now {kept}."
    assert [sources(path) for path in (folder / NAME, folder / NEWER, kept)] == [["a = 17"], ["a = 3"], ["a = 18"]]


def test_a_reader_who_takes_the_newer_edition_over_has_no_changes_any_more(
    folder: Path, update: Callable[..., list[str]]
) -> None:
    """The next one comes without a word."""
    update(version("a = 1"))
    change(folder / NAME, "a = 17")
    update(version("a = 2"))
    (folder / NEWER).replace(folder / NAME)
    assert not update(version("a = 3"))
    assert sources(folder / NAME) == ["a = 3"]


def test_a_fresh_start_loses_nothing(folder: Path, update: Callable[..., list[str]]) -> None:
    """Changed copies, outputs, the newer edition that was changed, and what was solved; the reader's own files stay."""
    update(version("a = 1"))
    change(folder / NAME, "a = 17")
    update(version("a = 2"))
    change(folder / NEWER, "a = 18")
    own = folder / "notebooks/own.ipynb"
    own.write_text("{}")
    (folder / "solved.txt").write_text("{}")
    said = update(version("a = 2"), fresh=True)
    assert len(said) == 3
    moved = sorted(path.name for path in (folder / "earlier").rglob("*.*") if path.is_file())
    assert moved == [Path(NAME).name, Path(NEWER).name, "solved.txt"]
    assert sources(folder / NAME) == ["a = 2"]
    assert not (folder / NEWER).exists()
    assert not (folder / "solved.txt").exists()
    assert own.read_text() == "{}"
    assert not update(version("a = 2"), fresh=True)


def test_two_fresh_starts_within_a_second_lose_nothing(folder: Path, update: Callable[..., list[str]]) -> None:
    """Nor do two at the same time of an hour that a clock has twice."""
    update(version("a = 1"))
    kept = [f"a = {number}" for number in range(2, 8)]
    for source in kept:
        change(folder / NAME, source)
        update(version("a = 1"), fresh=True)
    assert sorted(line for path in (folder / "earlier").rglob("*.ipynb") for line in sources(path)) == sorted(kept)


def test_a_copy_that_is_gone_or_broken(folder: Path, update: Callable[..., list[str]]) -> None:
    """The one comes back; the other is the reader's, whatever it is."""
    update(version("a = 1"))
    (folder / NAME).unlink()
    assert not update(version("a = 1"))
    (folder / NAME).write_text('{"cells": [1')
    assert update(version("a = 2")) == [f"{NAME} is yours; the newer edition is beside it: {NEWER}."]
    assert (folder / NAME).read_text() == '{"cells": [1'


def test_a_folder_with_other_things_in_it_is_refused(folder: Path, update: Callable[..., list[str]]) -> None:
    """Nothing is added to it."""
    folder.mkdir()
    (folder / "thesis.tex").write_text("")
    with pytest.raises(ConfigurationError, match="has other files in it"):
        update(version("a = 1"))
    assert [path.name for path in folder.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("name", ["../victim", "notebooks/../../victim", "/etc/victim", "link/victim", "..", ""])
def test_a_list_of_somebody_else_reaches_nothing_outside(
    folder: Path, update: Callable[..., list[str]], name: str
) -> None:  # fmt: skip
    """A folder may come from anybody, with a list of copies that are none."""
    update(version("1"))
    victim, listed = folder.with_name("victim"), folder / ".lab" / "edition.json"
    victim.write_text("precious")
    (folder / "link").symlink_to(folder.parent)
    for digest in ("0", hashlib.sha256(b"precious").hexdigest()):
        listed.write_text(json.dumps({name: digest}))
        with pytest.raises(ConfigurationError, match="leads out of"):
            update(version("1"), fresh=True)
    assert victim.read_text() == "precious"


@pytest.mark.parametrize("text", ["{", "[]", "\udcff"])
def test_a_list_that_is_none_is_named(folder: Path, update: Callable[..., list[str]], text: str) -> None:
    """And how to go on."""
    update(version("1"))
    (folder / ".lab" / "edition.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ConfigurationError, match=r"edition\.json is damaged"):
        update(version("1"))


def test_no_copy_is_written_through_a_link(folder: Path, update: Callable[..., list[str]], tmp_path: Path) -> None:
    """Neither of a file that is not finished, nor of a folder."""
    update(version("1"))
    victim, outside = tmp_path / "victim", tmp_path / "outside"
    victim.write_text("precious")
    outside.mkdir()
    (folder / NAME).unlink()
    (folder / "notebooks" / ".01_one.ipynb.unfinished").symlink_to(victim)
    update(version("1"))
    assert (victim.read_text(), (folder / NAME).is_symlink()) == ("precious", False)
    shutil.rmtree(folder / "notebooks")
    (folder / "notebooks").symlink_to(outside)
    with pytest.raises(ConfigurationError, match="leads out of"):
        update(version("1"))
    assert not [*outside.iterdir()]


def test_nothing_is_believed_that_came_with_a_folder(
    folder: Path, update: Callable[..., list[str]], tmp_path: Path
) -> None:
    """One that somebody has prepared, and packed: its programs would run in each kernel, its pages run theirs."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    startup = folder / ".lab/ipython/profile_default/startup"
    startup.mkdir(parents=True)
    folder.joinpath(".lab").chmod(0o700)
    (startup / "00.py").write_text("import antigravity")
    for name in ("lock", "nbsignatures.db", "notebook_secret", "jupyter_server_config.json", "edition.json.unfinished"):
        (folder / ".lab" / name).symlink_to(victim)
    update(version("1"))
    theirs = folder.resolve()
    assert [path for path in believed(folder).parents if path == theirs] == []
    assert stat.S_IMODE(believed(folder).stat().st_mode) == 0o700
    assert [path.name for path in believed(folder).rglob("profile_default/*")] == ["ipython_kernel_config.json"]
    assert victim.read_text() == "precious"


def test_earlier_copies_stay_in_the_folder(folder: Path, update: Callable[..., list[str]], tmp_path: Path) -> None:
    """Wherever a link leads that waits in the place of the folder for them."""
    update(version("1"))
    change(folder / NAME, "mine")
    (folder / "earlier").symlink_to(tmp_path)
    with pytest.raises(ConfigurationError, match="leads out of"):
        update(version("1"), fresh=True)
    assert sources(folder / NAME) == ["mine"]


ROOT_ALONE = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a folder away")


@pytest.mark.parametrize(
    "how", ["open to others", "a link", "an open folder", pytest.param("a folder of another", marks=ROOT_ALONE)]
)
def test_what_somebody_else_may_have_prepared_is_refused(
    folder: Path, update: Callable[..., list[str]], how: str, tmp_path: Path
) -> None:
    """Its programs would run in each kernel, and its notebooks be trusted."""
    update(version("1"))
    ours = folder / ".lab"
    assert stat.S_IMODE(ours.stat().st_mode) == 0o700
    if how == "a link":
        ours.symlink_to(ours.rename(tmp_path / "theirs"))
    elif how == "a folder of another":
        os.chown(folder, 4242, 4242)
    else:
        (folder if how == "an open folder" else ours).chmod(0o777)
    with pytest.raises(ConfigurationError, match="Somebody else may have prepared"):
        update(version("1"))


def test_a_cell_before_all_others_says_what_to_run_first(
    folder: Path, update: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the kernel of a copy that has just been opened; what a library lacks is not of a cell above."""
    update(version("a = 1"))
    monkeypatch.setenv("IPYTHONDIR", str(believed(folder) / "ipython"))
    cells = [
        new_code_cell(source) for source in ("wallet = wb.wallet()", "exec('nothing', {'__name__': 'library'})", "1")
    ]
    NotebookClient(
        new_notebook(cells=cells), allow_errors=True, kernel_manager_class=PortlessKernel, iopub_timeout=PATIENCE,
        shutdown_kernel="immediate",
    ).execute()  # fmt: skip
    first, second = ("\n".join(cell.outputs[0].traceback) for cell in cells[:2])
    assert "name 'wb' is not defined" in first
    sentence = (
        "If a cell above makes wb, it has not run in this kernel: first choose Run > Run All Above Selected Cell."
    )
    assert sentence in first
    assert "name 'nothing' is not defined" in second
    assert "cell above" not in second
    assert cells[2].outputs[0].data == {"text/plain": "1"}


def test_two_at_once_are_harmless(folder: Path) -> None:
    """Each of them finds a whole folder in the end, and nothing was moved."""
    with ThreadPoolExecutor(4) as pool:
        said: list[str] = []
        runs = [pool.submit(bring_up_to_date, folder, version("a = 1"), fresh=False, say=said.append) for _ in range(8)]
        [run.result() for run in runs]
    assert not said
    assert sources(folder / NAME) == ["a = 1"]


def test_no_link_of_the_copies_is_dead() -> None:
    """Neither in the notebooks nor in the pages that they lead to."""
    files = edition()
    assert {str(path.relative_to(notebook_folder().parent)) for path in find_notebooks([])} < files.keys()
    dead = []
    for name, data in files.items():
        text = ""
        if name.endswith(".ipynb"):
            cells = nbformat.reads(data.decode(), as_version=4).cells
            text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
        elif name.endswith(".md"):
            text = data.decode()
        links = TO_THIS_FOLDER.findall(text)
        dead += [(name, link) for link in links if os.path.normpath(Path(name).parent / link) not in files]
    assert not dead


@pytest.mark.parametrize("name", ["random.py", "jupyterlab.py", "jupyter_server_config.py"])
def test_no_file_in_the_folder_is_taken_for_a_module_of_jupyterlabs(folder: Path, tmp_path: Path, name: str) -> None:
    """A reader's own, or one of somebody else's."""
    places = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    assert lab(folder, env=places).returncode == 0
    (folder / name).write_text("raise SystemExit('taken')")
    done = lab(folder, env=places)
    assert (done.returncode, "taken" in done.stdout + done.stderr) == (0, False)


# ---- the command -------------------------------------------------------------------------------------------------


def lab(folder: Path, *options: str, root: bool = True, **more: Any) -> subprocess.CompletedProcess[str]:
    """Run the command; the JupyterLab at its end only prints its version."""
    allowed = ["--allow-root"] if root else []
    command = [sys.executable, "-m", "amazonpay_nb", "lab", "--to", str(folder), *allowed, *options, "--version"]
    return subprocess.run(more.pop("wrap", lambda it: it)(command), capture_output=True, text=True, check=False, **more)


def test_the_command_writes_into_that_folder_alone(tmp_path: Path) -> None:
    """Besides what is the reader's own, among Jupyter's data; not into the repository; twice says the same."""
    home, folder = tmp_path / "home", tmp_path / "work book"
    home.mkdir()
    places = {"HOME": str(home), "PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    tracked = {path: path.read_bytes() for path in find_notebooks([])}
    for _ in range(2):
        done = lab(folder, env=places, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(f"Your copies of the workbook are in {folder}.\n4.")
    data = home / ".local/share/jupyter/amazonpay-nb"  # signatures, and what kernels run: no folder may bring it
    assert [*home.iterdir(), *home.glob(".local/share/jupyter/*")] == [home / ".local", data]
    assert tracked == {path: path.read_bytes() for path in find_notebooks([])}
    assert edition().keys() <= {str(path.relative_to(folder)) for path in folder.rglob("*")}
    assert {path.name for path in folder.iterdir()} == {".lab", *(name.split("/")[0] for name in edition())}


def ask_for_ever(address: str, told: list[httpx.Response]) -> None:
    """Ask for the list of notebooks again and again, as an open tab does now and then, until nobody answers."""
    with suppress(httpx.HTTPError), httpx.Client(timeout=30) as http:
        while True:
            told.append(http.get(address).raise_for_status())


@contextmanager
def running(folder: Path, **variables: str) -> Iterator[tuple[str, subprocess.Popen[bytes], Path]]:
    """The address for a request with its query, the process, and the file with what it says."""
    home, said = folder / "home", folder / "said"
    home.mkdir()
    command = [sys.executable, "-m", "amazonpay_nb", "lab", "--to", f"{folder / 'folder'}", "--no-browser"]
    command += ["--ServerApp.port=0", *(["--allow-root"] if os.geteuid() == 0 else [])]
    pattern = r"(http://127\S+?)/lab/\S*\?(token=\w+)\s"  # the first line with an address has dots for the token
    environment = {"HOME": str(home), "PATH": os.environ["PATH"], **variables}
    with said.open("w") as terminal, program(command, env=environment, stderr=terminal) as server:
        try:
            assert until(lambda: re.findall(pattern, said.read_text()))
            address, token = re.findall(pattern, said.read_text())[0]
            assert until(lambda: answers(urlsplit(address).port or 0))  # it tells its address just before it listens
            yield f"{address}/{{}}?{token}", server, said
        finally:
            server.kill()


def test_it_ends_in_the_middle_of_requests(tmp_path: Path) -> None:
    """Whoever wants it to end gets the prompt back, though a tab is still open."""
    with ThreadPoolExecutor(6) as tabs, running(tmp_path) as (address, server, said):
        assert len(urlsplit(address).path) > 20, "a cookie goes wherever its path is known"
        told: list[httpx.Response] = []
        for _ in range(6):
            tabs.submit(ask_for_ever, address.format("api/contents/notebooks"), told)
        assert until(lambda: len(told) > 10)
        server.terminate()
        assert server.wait(PATIENCE) == 0
    assert not re.search("Warning|Traceback", said.read_text())


SLOW_EXPORTER = """
import asyncio, pathlib, threading
from anyio.from_thread import run_sync
from nbconvert.exporters import Exporter  # or the log would say that there is none, where it still can

loop, told = run_sync(asyncio.get_running_loop), threading.Event()
stop, loop.stop = loop.stop, lambda: (stop(), told.set())
pathlib.Path(__file__).with_name("begun").touch()
told.wait()
"""


def test_it_ends_while_a_thread_works_for_a_request(tmp_path: Path) -> None:
    """As at the start of a tab, which asks for the export formats; here one is ready only when the server has ended."""
    (tmp_path / "slow_exporter.py").write_text(SLOW_EXPORTER)
    (package := tmp_path / "slow_exporter-1.dist-info").mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: slow_exporter\nVersion: 1\n")
    (package / "entry_points.txt").write_text("[nbconvert.exporters]\nslow = slow_exporter:Exporter\n")
    with ThreadPoolExecutor(1) as tab, running(tmp_path, PYTHONPATH=str(tmp_path)) as (address, server, said):
        tab.submit(ask_for_ever, address.format("api/nbconvert"), [])
        assert until((tmp_path / "begun").exists)
        server.terminate()
        assert server.wait(PATIENCE) == 0
    assert not re.search("Warning|Traceback", said.read_text())


HANDSHAKE = (
    "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


def children(process: int) -> list[int]:
    """The processes that it has begun."""
    return [int(each) for path in Path(f"/proc/{process}/task").glob("*/children") for each in path.read_text().split()]


def test_it_ends_while_a_tab_waits_for_a_kernel(tmp_path: Path) -> None:
    """A kernel that answers nothing any more: what waits for it catches the first request to end."""
    with running(tmp_path) as (address, server, said), ExitStack() as tabs, http_client() as http:
        kernel = http.post(address.format("api/kernels")).raise_for_status().json()["id"]
        (process,) = (each for each in children(server.pid) if kernel in Path(f"/proc/{each}/cmdline").read_text())
        place = urlsplit(address.format(f"api/kernels/{kernel}/channels"))
        for number in range(2):
            tab = tabs.enter_context(socket.create_connection((place.hostname, place.port), PATIENCE))
            target = f"{place.path}?{place.query}&session_id={number}"
            tab.sendall(HANDSHAKE.format(target, place.netloc).encode())
            assert tab.recv(12) == b"HTTP/1.1 101"
            os.kill(process, signal.SIGSTOP)
        server.terminate()
        assert server.wait(PATIENCE) == 0
    assert not re.search("Warning|Traceback", said.read_text())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is warned")
def test_root_needs_one_option(tmp_path: Path) -> None:
    """JupyterLab refuses root; the sentence names the option, and nothing is written."""
    done = lab(tmp_path / "folder", root=False)
    assert done.returncode == 2
    assert "--allow-root" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "folder").exists()


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    """A sentence and exit code 2, no traceback."""
    folder = tmp_path / "read-only"
    folder.mkdir(mode=0o500)
    done = lab(folder, wrap=lambda command: read_only(folder, *command))
    assert done.returncode == 2
    assert str(folder) in done.stderr
    assert "Traceback" not in done.stderr


def test_a_home_folder_of_nobody_is_named() -> None:
    """As the shell writes it for somebody who has one."""
    done = lab(Path("~nosuchuser/x"))
    assert done.returncode == 2
    assert "There is no home folder for ~nosuchuser/x." in done.stderr


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    """As for every command."""
    (tmp_path / "file").write_text("")
    done = lab(tmp_path / "file" / "folder")
    assert done.returncode == 2
    assert "Not a directory" in done.stderr


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    """A file that may not grow any more stands for it: everybody may set that limit."""
    limit = "import resource, signal, sys, os; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
    limit += "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)); os.execv(sys.argv[1], sys.argv[1:])"
    done = lab(tmp_path / "folder", wrap=lambda command: [sys.executable, "-c", limit, *command])
    assert done.returncode == 2
    assert "File too large" in done.stderr
    assert "Traceback" not in done.stderr
