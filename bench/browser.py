"""What a person waits for: a widget's first paint in JupyterLab, and the stage's first beat."""

import socket
import sys
import time
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from playwright.sync_api import Browser

from amazonpay_nb.loopback import open_port
from amazonpay_nb.rehearsal.browser import program_here
from bench.measure import Result, Target, Unavailable, alternate, compare, say
from bench.others import process, script, wait_until
from tests.browser.chromium import chromium, driver
from tests.browser.jupyterlab import VIEWPORT, Lab, OpenNotebook, jupyterlab

__all__ = ["measure_stage", "measure_widgets"]

STAGE_TARGET = Target("≤", 3, " s")
EMPTY = "import ipywidgets\nipywidgets.HTML('empty')"
# A workbench in which every object has been made, so that no panel is empty; a script plays, and the panels are live.
OPEN = """
from amazonpay_nb import workbench
from amazonpay_nb.errors import DeclinedError, refused
from amazonpay_nb.client.guide import charge, complete_set_up
wb = workbench.open(buyer="script")
keys = wb.set_up_keys()
arrival = await wb.play_set_up()
wallet = complete_set_up(wb.client, arrival.checkout_session_id).charge_permission_id
paid = charge(wb.client, wallet, wb.amount, charge_initiator="CITU", channel="Web", capture_now=True)
refund = wb.client.create_refund(charge_id=paid.charge_id, refund_amount=wb.amount)
with refused(DeclinedError) as refusal:
    charge(wb.client, wallet, wb.amount, simulation_code="SoftDeclined")
wb.buyer = "you"
"""
# Panel -> the module that has it, and how it is opened.
_PANELS = {
    "key panel": ("panels.keys", "KeyPanel(wb)"),
    "button panel": ("panels.button", "ButtonPanel(wb)"),
    "hosted page": ("panels.button", "PagePanel(wb)"),
    "cards": ("panels.cards", "cards(wb)"),
    "payment desk": ("panels.cards", "Desk(wb)"),
    "wire inspector": ("panels.wire", "WirePanel(wb)"),
    "sequence diagram": ("panels.wire", "DiagramPanel(wb)"),
    "error explainer": ("panels.questions", "ErrorPanel(live=True)"),
    "all panels": ("panels", "panels(wb)"),
}
CELLS = {name: f"from amazonpay_nb.workbench.{module} import *\n{call}" for name, (module, call) in _PANELS.items()}
# From the start of the given cell until what it shows, and nothing of an earlier run, was on the screen.
PAINT = """
document.querySelectorAll('.jupyter-widgets').forEach((old) => old.classList.add('old'));
const shown = () => [...document.querySelectorAll('.jupyter-widgets:not(.old)')]
  .some((widget) => widget.innerText.trim() && widget.getBoundingClientRect().height);
const frame = () => new Promise(requestAnimationFrame);
const { content } = panel;
content.activeCellIndex = [...content.model.cells].findIndex((cell) => cell.sharedModel.source === given);
const start = performance.now();
const running = app.commands.execute('notebook:run-cell');
for (const end = start + 30000; !shown(); await frame()) {
  if (performance.now() > end) throw new Error('nothing is shown');
}
await frame();
const painted = performance.now() - start;
await running;
return painted;
"""


def _need_chromium() -> None:
    if program_here() is None:
        raise Unavailable("there is no chromium")


# --- Widgets ----------------------------------------------------------------------------------------------------------


def first_paint(notebook: OpenNotebook, source: str) -> float:
    """Return the milliseconds from the start of a cell until its widget was on the screen."""
    return float(notebook.ask(PAINT, source))


def measure_widgets(*, quick: bool) -> list[Result]:
    """(f) The first paint of each panel beside that of an empty ipywidget, in one JupyterLab."""
    _need_chromium()
    rounds = 3 if quick else 15
    say(f"(f) {rounds} rounds of {len(CELLS)} widgets in JupyterLab")
    with TemporaryDirectory() as folder, driver() as playwright, chromium(playwright) as browser:
        page = browser.new_page(viewport=VIEWPORT)
        with jupyterlab(page, Path(folder)) as lab:
            return [_one_widget(lab, name, source, rounds) for name, source in CELLS.items()]


def _one_widget(lab: Lab, name: str, source: str, rounds: int) -> Result:
    with lab.new(OPEN, EMPTY, source) as notebook:
        notebook.run_all()  # not counted: what is imported once
        notebook.finish()
        sides = (partial(first_paint, notebook, source), partial(first_paint, notebook, EMPTY))
        return compare(f"(f) first paint: {name}", alternate(rounds, *sides), "{:.0f} ms", "empty ipywidget")


# --- The stage --------------------------------------------------------------------------------------------------------


def usable_after(browser: Browser, text: str, *command: str) -> float:
    """Return the seconds from the start of a server, which is told its port last, until a page of it shows *text*."""
    with open_port() as listener:
        port = listener.getsockname()[1]
    with browser.new_page() as page:
        start = time.perf_counter()
        with process(*command, str(port)) as server:
            wait_until(lambda: _listens(port), server, command[0])
            page.goto(f"http://127.0.0.1:{port}/")
            page.get_by_text(text).first.wait_for()
            return time.perf_counter() - start


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def measure_stage(*, quick: bool) -> list[Result]:
    """(g) `amazonpay-nb demo` until its first beat can be played, beside an empty page of Python's own server."""
    _need_chromium()
    rounds = 1 if quick else 5
    say(f"(g) {rounds} starts of the stage, beside as many of an empty page")
    with TemporaryDirectory() as folder, driver() as playwright, chromium(playwright) as browser:
        Path(folder, "index.html").write_text("an empty page", "utf-8")
        demo = [script("amazonpay-nb"), "demo", "--no-browser", "--port"]
        empty = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "--directory", folder]
        ours, other = alternate(
            rounds,
            partial(usable_after, browser, "No real account", *demo),
            partial(usable_after, browser, "an empty page", *empty),
        )
    start, compared = median(ours), f"an empty page of `http.server`: {median(other):.1f} s"
    what = "(g) the stage, from the command to its first beat"
    return [Result(what, f"{start:.1f} s", compared, start, STAGE_TARGET)]
