"""A real JupyterLab on a copy of the notebooks, and a notebook that is open in it."""

import contextlib
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import httpx
import nbformat
from ipykernel.kernelspec import get_kernel_dict
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import Locator, Page, ViewportSize

from tests.browser.chromium import in_view, press, watch
from tests.kernels import place
from tests.processes import program

__all__ = ["HUB", "SOMEBODY", "VIEWPORT", "Lab", "OpenNotebook", "jupyterlab", "working_copies"]

ROOT = Path(__file__).parents[2]
SECONDS = 180  # more than any step takes on a busy machine; nothing waits for it to pass
# Tall, because JupyterLab does not render cells that are off the screen.
VIEWPORT: ViewportSize = {"width": 1300, "height": 1600}
# The host of a hub, which `chromium` finds, and where somebody's own server is on it.
HUB, SOMEBODY = "hub.test", "/user/somebody/"
_QUIET = {"fetchNews": "false", "checkForUpdates": False}  # no dialog about news, and no request for it
# Kernels start a hundred times in these tests, and a fork is like any other: tests/unit/runs/test_warm.py.
_FORKED = {"metadata": {"kernel_provisioner": {"provisioner_name": "amazonpay-warm"}}}
# JupyterLab writes a Markdown cell's HTML into the page before it resolves relative addresses, so now and then the
# browser asks for an address that nobody meant; the resolved one begins with /files/ and is not forgiven.  A kernel's
# last words may come when JupyterLab has forgotten the session of a notebook, and looks for its kernel there.
_UNAVOIDABLE = re.compile(
    r"404 .*\(http://127\.0\.0\.1:\d+/docs/images/"
    r"|null \(reading 'kernel'\)\n.* at .*(?:/static/lab/|/lab/extensions/@jupyter-widgets/)"
)
_ROOT = ["--allow-root"] if os.geteuid() == 0 else []

_UNTIL = f"""
const until = async (value, pause = 20) => {{
  const end = Date.now() + {SECONDS * 1000};
  for (;;) {{
    const found = await value();
    if (found) return found;
    if (Date.now() > end) throw new Error('in vain: ' + value);
    await new Promise((next) => setTimeout(next, pause));
  }}
}};
const late = async () => {{
  await new Promise((end) => setTimeout(end, {2 * SECONDS * 1000}));
  throw new Error('in vain; in front is ' + document.querySelector('.jp-Dialog, .jp-Notebook')?.innerText);
}};
"""
_RESTORED = f"{_UNTIL} await (await until(() => window.jupyterapp)).restored;"
# Of two saves at once, JupyterLab takes the first for a stranger's when it comes to the second, and asks what to do.
_ONLY_WE_SAVE = f"""{_UNTIL} const {{ commands }} = window.jupyterapp, autosave = 'docmanager:toggle-autosave';
if (await until(() => commands.hasCommand(autosave)) && commands.isToggled(autosave)) await commands.execute(autosave);
await until(() => !commands.isToggled(autosave));
"""
_NOTHING_OPEN = """const { serviceManager, shell } = window.jupyterapp;
for (const widget of [...shell.widgets('main')]) widget.dispose();
await serviceManager.sessions.shutdownAll();
shell.expandLeft();
"""


class Lab:
    """JupyterLab in a page of the browser, which opens one notebook after the other.

    Attributes:
        page: The page of the browser.
        root: The folder that it shows.
        said: The lines of its terminal so far.
    """

    def __init__(self, page: Page, address: str, root: Path, said: list[str]) -> None:
        self.page, self.root, self.said = page, root, said
        self._complaints = watch(page)
        page.context.set_default_timeout(SECONDS * 1000)  # also of the pages that it opens
        page.goto(address)
        page.evaluate(f"async () => {{ {_RESTORED} }}")
        page.evaluate(f"async () => {{ {_ONLY_WE_SAVE} }}")
        if "/tree/" in address:  # it opens a notebook by itself, which is in front once it is there
            # Before that, another one would not stay in front.
            page.evaluate(
                f"async () => {{ {_UNTIL} const {{ shell }} = window.jupyterapp;"
                "await until(() => shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'); }"
            )

    def close_all(self) -> None:
        """Close what an earlier test has left open, end its kernels, and show the file browser."""
        self.page.evaluate(f"async () => {{ {_NOTHING_OPEN} }}")

    @contextlib.contextmanager
    def open(self, name: str, **parameters: str) -> "Iterator[OpenNotebook]":
        """Open a fresh copy of a notebook, with some of its parameters set to other values; close it in the end."""
        with self.existing(_copied(self.root, name, parameters).name) as notebook:
            yield notebook

    @contextlib.contextmanager
    def new(self, *sources: str) -> "Iterator[OpenNotebook]":
        """Open a notebook that has these code cells; close it in the end."""
        path = self.root / "notebooks" / f"{secrets.token_hex(4)}.ipynb"
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}  # else JupyterLab asks which
        made = new_notebook(cells=[new_code_cell(source) for source in sources], metadata=kernel)
        path.write_text(nbformat.writes(made))
        with self.existing(path.name) as notebook:
            yield notebook

    @contextlib.contextmanager
    def existing(self, name: str) -> "Iterator[OpenNotebook]":
        """Open a notebook as it is; close it in the end."""
        self._complaints.clear()
        notebook = OpenNotebook(self.page, self._complaints, self.said)
        notebook.ask(
            "panel = await app.commands.execute('docmanager:open', { path: given, factory: 'Notebook' });"
            "await panel.context.ready; await panel.sessionContext.ready;"
            "const kernel = await until(() => panel.sessionContext.session?.kernel); await kernel.info;"
            "await until(() => kernel.connectionStatus === 'connected' && kernel.status === 'idle');",
            f"notebooks/{name}",
        )
        try:
            yield notebook
        finally:
            notebook.end_kernel("await panel.sessionContext.shutdown(); panel.dispose();")


def _copied(root: Path, name: str, parameters: dict[str, str]) -> Path:
    notebook = json.loads((ROOT / "notebooks" / name).read_text())
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}
        if "parameters" in cell["metadata"].get("tags", ()):
            source = "".join(cell["source"])
            for parameter, value in parameters.items():
                source, found = re.subn(rf'^({parameter}: str = )"[^"]*"', rf'\g<1>"{value}"', source, flags=re.M)
                assert found == 1, f"there is no parameter {parameter}"
            cell["source"] = source
    path = root / "notebooks" / name
    path.write_text(json.dumps(notebook))
    return path


class OpenNotebook:
    """A notebook with a connected, idle kernel."""

    def __init__(self, page: Page, complaints: list[str], said: list[str]) -> None:
        self.page, self._complaints, self._said = page, complaints, said

    def ask(self, script: str, argument: object = None) -> Any:
        """Run JavaScript that knows `app`, `panel`, `given` and `until`, and return what it returns."""
        known = "const app = window.jupyterapp; let panel = app.shell.currentWidget;"
        script = f"const done = async () => {{ {known} {script} }};"
        return self.page.evaluate(
            f"async (given) => {{ {_UNTIL} {script} return Promise.race([done(), late()]); }}", argument
        )

    # --- What a person does -------------------------------------------------------------------------------------------

    def run_all(self) -> None:
        """Start every cell; `finish` waits for them."""
        self.ask("window.running = app.commands.execute('notebook:run-all-cells');")

    def run_from(self, source: str) -> None:
        """Start the cell that begins with *source*, and all that follow it."""
        self._go_to(source)
        self.ask("window.running = app.commands.execute('notebook:run-all-below');")

    def run_above(self, source: str) -> None:
        """Start all cells above the one that begins with *source*."""
        self._go_to(source)
        self.ask("window.running = app.commands.execute('notebook:run-all-above');")

    def run_cell(self, source: str) -> None:
        """Start the one cell that begins with *source*."""
        self._go_to(source)
        self.ask("window.running = app.commands.execute('notebook:run-cell');")

    def finish(self) -> None:
        """Wait until what was started has ended, well or badly."""
        self.ask(
            "const rest = () => [...panel.content.widgets].filter((it) => it.promptNode?.innerText.includes('*'));"
            "const late = (given) => given(new Error('still waiting: ' + rest().map((it) => it.node.innerText)));"
            "const end = new Promise((_, reject) => setTimeout(() => late(reject), given));"
            "await Promise.race([window.running, end]);"
            "const kernel = panel.sessionContext.session.kernel;"
            "await until(() => kernel.status === 'idle');"
            # What widgets tell goes to the main thread of the kernel until another one has begun for it:
            # on a busy machine, a click could overtake the value before it.
            "await Promise.all([...kernel._comms.values()].map((comm) => comm.subshellStarted));", 2000 * SECONDS,
        )  # fmt: skip

    def interrupt(self) -> None:
        """Press the stop button's command."""
        self.ask("await app.commands.execute('notebook:interrupt-kernel');")

    def restart(self) -> None:
        """Restart the kernel and wait until it is ready."""
        self.end_kernel("await panel.sessionContext.restartKernel(); await panel.sessionContext.session.kernel.info;")

    def end_kernel(self, script: str) -> None:
        """Run JavaScript that ends the kernel; its last words in the terminal are forgotten.

        It may end in the middle of a wait, and what Python says then is not ours.
        """
        before = len(self._said)
        self.ask(script)
        del self._said[before:]

    def save(self) -> None:
        """Save it, as JupyterLab itself does from time to time."""
        self.ask("await app.commands.execute('docmanager:save');")

    def reload(self) -> None:
        """Reload the whole page, and wait until the notebook is there again; its kernel may be at work."""
        self.page.reload()
        self.page.evaluate(f"async () => {{ {_RESTORED} }}")
        self.ask(
            "await until(() => app.shell.currentWidget?.context); panel = app.shell.currentWidget;"
            "await panel.context.ready; await until(() => panel.sessionContext.session?.kernel);"
        )

    def replace(self, old: str, new: str) -> None:
        """Type *new* over *old*, which stands in one cell."""
        found = self.ask(
            "const [old, now] = given;"
            "const cells = [...panel.content.model.cells].filter((cell) => cell.sharedModel.source.includes(old));"
            "cells.map(({ sharedModel }) => sharedModel.setSource(sharedModel.source.replace(old, now)));"
            "return cells.length;", [old, new],
        )  # fmt: skip
        assert found == 1, f"{old!r} is in {found} cells"

    def _go_to(self, source: str) -> None:
        found = self.ask(
            "const cells = [...panel.content.model.cells];"
            "const index = cells.findIndex((cell) => cell.sharedModel.source.startsWith(given));"
            "if (index >= 0) panel.content.activeCellIndex = index; return index;", source,
        )  # fmt: skip
        assert found >= 0, f"there is no cell {source!r}"

    # --- What there is to see -----------------------------------------------------------------------------------------

    @property
    def errors(self) -> list[str]:
        """Return what the browser's console complained about since the notebook was opened."""
        return [complaint for complaint in self._complaints if not _UNAVOIDABLE.search(complaint)]

    @property
    def frames(self) -> Locator:
        """The frame with the shop's page that a cell has shown last."""
        return self.page.locator("iframe.amazonpay-page").last

    def press(self, *names: str) -> None:
        """Press buttons inside the frame, one page after the other."""
        for name in names:
            press(self.frames, name)

    def choose_card(self, last4: str) -> None:
        """Choose one of the cards that simulate something, which a summary hides."""
        page = self.frames.content_frame
        card = page.get_by_label(re.compile(last4))

        def unfold(timeout: float) -> None:
            if not card.is_visible():
                page.locator("summary").click(timeout=timeout)

        in_view(self.frames, unfold)
        in_view(self.frames, card.check)

    def wait_for_output(self, text: str) -> None:
        """Wait until an output holds *text*."""
        self.ask(
            "await until(() => panel.context.model.toJSON().cells.some("
            "(cell) => JSON.stringify(cell.outputs ?? []).includes(given)), 200);", text,  # a look takes its time, too
        )  # fmt: skip

    def code_cells(self) -> list[dict[str, Any]]:
        """Return the code cells as they would be saved."""
        cells: list[dict[str, Any]] = self.ask("return panel.context.model.toJSON().cells;")
        return [{**cell, "source": "".join(cell["source"])} for cell in cells if cell["cell_type"] == "code"]

    def refusals(self) -> list[str]:
        """Return every error output as a reader sees it."""
        outputs = [output for cell in self.code_cells() for output in cell["outputs"]]
        return ["\n".join(output["traceback"]) for output in outputs if output["output_type"] == "error"]

    def value(self, expression: str) -> str:
        """Return the `repr` of an expression in the kernel: what it holds, whatever the page shows."""
        reply = self.ask(
            "const kernel = panel.sessionContext.session.kernel;"
            "const future = kernel.requestExecute({ code: '', silent: true, user_expressions: { value: given } });"
            "return (await future.done).content.user_expressions.value;", expression,
        )  # fmt: skip
        text: str = reply["data"]["text/plain"] if reply["status"] == "ok" else reply["evalue"]
        return text


@contextlib.contextmanager
def working_copies(page: Page, folder: Path, **variables: str) -> Iterator[Lab]:
    """Run what a newcomer runs, `amazonpay-nb lab`, and show in *page* what it would open in their browser."""
    home, root = folder / "home", folder / "workbook"
    home.mkdir()
    command = [
        *(sys.executable, "-m", "amazonpay_nb", "lab", "--to", str(root), "--no-browser", "--ServerApp.port=0"),
        *("--LabApp.expose_app_in_browser=True", *_ROOT),
    ]
    ours = ("JUPYTER", "IPYTHON")  # of whoever runs the tests
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    with _running(command, environment | {"HOME": str(home)} | variables) as (address, said):
        yield Lab(page, address, root, said)


@contextlib.contextmanager
def jupyterlab(page: Page, folder: Path, *, on_hub: bool = False) -> Iterator[Lab]:
    """Run a server that reads and writes nothing outside of *folder*, and show it in *page*.

    Args:
        on_hub: Make it the server of one person on a remote hub: on another host, and with a path of its own.
    """
    root, settings = folder / "root", folder / "settings"
    (root / "notebooks").mkdir(parents=True)
    shutil.copytree(ROOT / "docs" / "images", root / "docs" / "images")  # the notebooks show them
    quiet = settings / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    quiet.parent.mkdir(parents=True)
    quiet.write_text(json.dumps(_QUIET))
    kernel = folder / "data" / "kernels" / "python3" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    kernel.write_text(json.dumps(get_kernel_dict() | _FORKED))
    folders = {
        "JUPYTERLAB_SETTINGS_DIR": settings, "JUPYTERLAB_WORKSPACES_DIR": folder / "workspaces",
        "JUPYTER_CONFIG_DIR": folder / "config",
        "IPYTHONDIR": folder / "ipython", "JUPYTER_PATH": folder / "data",
    }  # fmt: skip
    token = secrets.token_hex(16)
    command = [
        sys.executable, "-m", "amazonpay_nb.runs.lab_server", "--no-browser",
        "--ServerApp.ip=127.0.0.1", "--ServerApp.port=0",
        f"--ServerApp.root_dir={root}", f"--IdentityProvider.token={token}",
        "--LabApp.expose_app_in_browser=True",  # window.jupyterapp
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        *_ROOT,
        *([f"--ServerApp.base_url={SOMEBODY}", "--ServerApp.allow_remote_access=True"] if on_hub else []),
    ]  # fmt: skip
    hub = {"JUPYTERHUB_SERVICE_PREFIX": SOMEBODY} if on_hub else {}
    environment = os.environ | {name: str(path) for name, path in folders.items()} | hub
    with _running(command, environment) as (address, said):
        address = address.replace("...", token)  # a token of ours is not shown
        yield Lab(page, address.replace("127.0.0.1", HUB) if on_hub else address, root, said)


@contextlib.contextmanager
def _running(command: list[str], environment: dict[str, str]) -> Iterator[tuple[str, list[str]]]:
    # Gives the address that the server tells, and the lines of its terminal so far.
    said: list[str] = []
    # Each kernel's sockets lie beside its connection file: in one place, a kernel that ends may take another's with it.
    sockets, environment = "--KernelManager.transport=ipc", environment | {"JUPYTER_RUNTIME_DIR": place()}
    with program(
        [*command, sockets], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as server:
        assert server.stdout is not None
        address: Future[str] = Future()
        # It reads to the end: a server whose pipe is full stops.
        listener = threading.Thread(target=_listen, args=(server.stdout, address, said))
        listener.start()
        try:
            # The server tells its address just before it listens; httpx tries again until it does.
            with httpx.Client(transport=httpx.HTTPTransport(retries=6)) as http:
                http.get(address.result(SECONDS))
            yield address.result(), said
        finally:
            server.terminate()
            try:
                server.wait(SECONDS)
            finally:
                server.kill()
                listener.join()


def _listen(lines: Iterable[str], address: "Future[str]", said: list[str]) -> None:
    for line in lines:
        said.append(line)
        found = re.search(r"http://127\.0\.0\.1:\d+/\S*\?token=\S+", line)
        if found and not address.done():
            address.set_result(found[0])
    if not address.done():
        address.set_exception(RuntimeError("JupyterLab did not start:\n" + "".join(said[-30:])))
