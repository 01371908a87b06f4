"""What gets out: logs, exported pages and reports hold no secret, and nothing in them runs."""

import html
import json
import logging
import os
import re
import secrets
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

import httpx
import nbformat
import pytest
from click.testing import CliRunner
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from amazonpay_nb.cli import main
from amazonpay_nb.client import AmazonPayClient
from amazonpay_nb.emulator import Emulator
from amazonpay_nb.emulator.app import build_app
from amazonpay_nb.emulator.store import Store
from amazonpay_nb.emulator.world import World
from amazonpay_nb.errors import NotFoundError, ServerError
from amazonpay_nb.loopback import LoopbackServer
from amazonpay_nb.runs.failure import Failure
from amazonpay_nb.runs.report import Run, Summary, write_report
from amazonpay_nb.signing.keys import generate, save, with_id
from amazonpay_nb.spec.regions import region
from amazonpay_nb.stage import export
from amazonpay_nb.workbench.claims import Claim
from tests.emulated import SET_UP
from tests.processes import PATIENCE, program
from tests.unit.test_cli import COMMAND

# An element that runs something by itself or when it is pressed.
RUNS = re.compile(r"""<script|<iframe|<[^>]*\s(?:on\w+\s*=|href=["']?\s*javascript:)""", re.IGNORECASE)
TOKEN = secrets.token_urlsafe(60)


def test_a_failure_is_logged_without_the_buyers_token(caplog: pytest.LogCaptureFixture) -> None:
    """The path of Get Buyer holds it; neither the emulator's log nor that of the HTTP library repeats it."""
    world = World(Store(), region("na"), seed=7)
    merchant, keys = next(iter(world.merchants.values())), generate()
    key_id, _ = world.register_key(merchant, keys.public_pem)
    server = LoopbackServer(build_app(world, "token", drop=lambda client: None)).start()
    with AmazonPayClient(
        with_id(keys, key_id), environment="emulator", base_url=server.url, sleep=lambda seconds: None
    ) as client:
        with pytest.raises(NotFoundError):  # it is up; a store that is closed before would keep it down
            client.get_buyer("nobody")
        world.store.close()
        with caplog.at_level(logging.INFO), pytest.raises(ServerError):
            client.get_buyer(TOKEN)
    server.stop()
    assert {record.name for record in caplog.records} >= {"uvicorn.error", "httpx"}
    assert TOKEN[:20] not in caplog.text


def test_a_process_tells_no_secret(tmp_path: Path) -> None:
    """What it prints and logs, from its start over good, bad and broken requests to its end."""
    ready_file = tmp_path / "ready.json"
    command = [*COMMAND, "emulator", "--seed", "7", "--ready-file", str(ready_file)]
    with program(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            assert process.stdout
            first = process.stdout.readline() + process.stdout.readline()
            ready = json.loads(ready_file.read_text())
            authorization = {"authorization": f"Bearer {ready['controlToken']}"}
            for method, path in (("GET", "clock"), ("POST", "clock"), ("GET", "nothing"), ("POST", "keys")):
                httpx.request(method, f"{ready['controlUrl']}/{path}", headers=authorization, content=b"{")
            signature = f"AMZN-PAY-RSASSA-PSS-V2 PublicKeyId=x, SignedHeaders=accept, Signature={TOKEN}"
            httpx.get(f"{ready['url']}/v2/buyers/{TOKEN}", headers={"authorization": signature})
            httpx.get(f"{ready['url']}/checkout?amazonCheckoutSessionId={TOKEN}")
            httpx.post(f"{ready['url']}/checkout/initiate", data=SET_UP, headers={"cookie": TOKEN})
            key = Path(ready["privateKeyFile"]).read_text()
        finally:
            process.terminate()
        told = first + process.stdout.read()
    assert ready["url"] in told
    assert [secret for secret in (ready["controlToken"], TOKEN, key[100:160], "PRIVATE KEY") if secret in told] == []


def notebook(path: Path, output: str) -> Path:
    """A notebook that was executed before: it printed something, and showed the same as HTML."""
    shown = nbformat.v4.new_output("stream", name="stdout", text=output)
    rich = nbformat.v4.new_output("display_data", {"text/html": output, "text/plain": output})
    cell = nbformat.v4.new_code_cell("show()", execution_count=1, outputs=[shown, rich])
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
    return path


OPEN = "from amazonpay_nb import workbench\nfrom amazonpay_nb.workbench.show import show\n\nwb = workbench.open()"


@pytest.mark.parametrize("name", ["..", "javascript:alert(1)", '"><img src=x>', "a#b?c%2f", "..%2f..%2fx"])
def test_a_file_is_written_where_it_belongs(name: str, tmp_path: Path) -> None:
    """Whatever a notebook is called, its page stands in the folder that was asked for."""
    inside = tmp_path / "inside"
    inside.mkdir()
    path, _ = export.export(str(notebook(inside / f"{name}.ipynb", "plain")), {}, tmp_path / "out")
    assert path.resolve().parent == (tmp_path / "out").resolve()
    assert {each.name for each in tmp_path.iterdir()} == {"inside", "out"}


@pytest.mark.parametrize(
    "name", ['"</script><script>alert(1)</script>', "'<img src=x onerror=alert(1)>", "'\"\nraise SystemExit(1)\n#\\"]
)
def test_the_name_of_a_shop_is_a_name(name: str, tmp_path: Path) -> None:
    """It closes its quotes or its element: the run goes on, and the page that is left behind shows it as it is."""
    source = [OPEN, "show(wb.shop.name)", 'show({"shop": wb.shop.name})', "show(wb.shop.name.splitlines())"]
    path = tmp_path / "named.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(line) for line in source]), path)
    done = CliRunner().invoke(main, ["export", str(path), "-p", "merchant_name", name, "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    page = path.with_suffix(".html").read_text()
    assert html.escape(name.splitlines()[0], quote=False) in page
    assert not RUNS.search(page)


def test_no_picture_is_another_file(tmp_path: Path) -> None:
    """A notebook comes with a folder, and there a picture may be a link to whatever its reader owns."""
    (tmp_path / "key.pem").write_text("-----BEGIN PRIVATE KEY-----\n")
    (tmp_path / "link.png").symlink_to("key.pem")
    pictures = new_markdown_cell("![One](link.png) ![Another](link.jpg)\n\n<img src='link.png'>")
    (tmp_path / "link.jpg").symlink_to("key.pem")
    path = notebook(tmp_path / "linked.ipynb", "plain")
    document = nbformat.read(path, as_version=4)
    document.cells.append(pictures)
    nbformat.write(document, path)
    page = export.export(str(path), {}, tmp_path / "out")[0].read_text("utf-8")
    assert page.count("<img") == 3
    assert "LS0tLS1CRUdJTi" not in page


# Each begins something that never ends, over and over.
ENDLESS = ["[", "[a](", "![", "![](", "![a](b/", "<a ", '<a href="x">', '<a href="', "<img ", "<th ", "```x\n",
           "\\begin{a}", "\\\\[a", "$a", "> ", "a\n"]  # fmt: skip


@pytest.mark.parametrize("beginning", ENDLESS)
def test_what_has_no_end_is_read_once(beginning: str, tmp_path: Path) -> None:
    """A finished notebook of somebody else is exported without being run; read anew from each, it took minutes."""
    text = f"It says {beginning * (100_000 // len(beginning))}"
    outputs = [new_output("display_data", {name: text, "text/plain": ""}) for name in ("text/html", "text/markdown")]
    cells = [new_markdown_cell(text), new_code_cell("1", execution_count=1, outputs=outputs)]
    nbformat.write(new_notebook(cells=cells), tmp_path / "endless.ipynb")
    before = time.process_time()
    export.export(str(tmp_path / "endless.ipynb"), {}, tmp_path / "out")
    assert time.process_time() - before < 5  # usually 2 at most; 6 to 250 otherwise


@pytest.mark.parametrize("command", ["\x1b]52;c;ZXZpbA==\x07", "\x9b31m", "\u202e"])
def test_no_error_commands_a_terminal(command: str, tmp_path: Path) -> None:
    """A matrix of somebody else names what a terminal would obey; the error names it without."""
    (tmp_path / "matrix.yaml").write_text(json.dumps({"matrix": {f"{command}name": [1]}}))
    done = CliRunner().invoke(main, ["sweep", str(tmp_path / "matrix.yaml"), "--list"])
    assert done.exit_code == 2
    assert "name=1" in done.stderr
    assert not {*command} & {*"\x1b\x07\x9b\u202e"} & {*done.stderr}


@pytest.mark.parametrize("command", ["\x1b]52;c;ZXZpbA==\x07", "\x9b31m", "\u202e"])
def test_no_result_commands_a_terminal(command: str, tmp_path: Path) -> None:
    """Neither the list of a matrix, nor an answer of the emulator, nor a report that is shown there."""
    cell = new_code_cell('word: str = "a"  # any', metadata={"tags": ["parameters"]})
    (tmp_path / "mine.ipynb").write_text(nbformat.writes(new_notebook(cells=[cell])), "utf-8")
    matrix = {"notebooks": ["mine.ipynb"], "matrix": {"word": [f"{command}word"]}}
    (tmp_path / "matrix.yaml").write_text(json.dumps(matrix))
    listed = CliRunner().invoke(main, ["sweep", str(tmp_path / "matrix.yaml"), "--list"]).stdout
    world = {"chargePermissions": [{"merchantMetadata": {"merchantStoreName": f"{command}shop"}}]}
    with Emulator("na", world=world, in_process=False) as emulator:
        emulator.write_ready_file(tmp_path / "ready.json")
        call = ["control", "objects", "chargePermissions", "--ready-file", str(tmp_path / "ready.json")]
        shown = CliRunner().invoke(main, call).stdout
    assert ("word" in listed, "shop" in shown) == (True, True)
    made = Run(command, {command: command}, 0.1, Failure(command), (), {command: command})
    write_report(Summary((made,), 0.1), tmp_path, finished=datetime.now(UTC))
    written = [(tmp_path / name).read_text("utf-8") for name in ("report.html", "junit.xml", "summary.json")]
    assert not {*"".join([listed, shown, *written])} & {*"\x1b\x07\x9b"}
    assert "\u202e" not in listed + shown


# A thread of the kernel's copies what a program prints, and what it has not copied when the last cell ends is lost.
PRINT = """import os, subprocess, sys, time
from pathlib import Path
subprocess.run([sys.executable, "-c", "print(open('key.pem').read(), chr(27) + ']0;mine' + chr(7))"])
os.write(1, b"by number")
os.write(2, b"by number")
while str(get_ipython().history_manager.outputs).count("by number") < 2:
    time.sleep(0.01)
"""


@pytest.mark.parametrize("cold", [True, False])
def test_what_a_cells_programs_print_is_masked_too(cold: bool, tmp_path: Path) -> None:
    """A kernel copies what reaches its files by their numbers; it is in the notebook, and nowhere else."""
    save(generate(), tmp_path / "key.pem")
    line = (tmp_path / "key.pem").read_text().splitlines()[3]
    for name in ("one", "two"):
        (tmp_path / f"{name}.ipynb").write_text(nbformat.writes(new_notebook(cells=[new_code_cell(PRINT)])), "utf-8")
    command = [*COMMAND, "run", "one.ipynb", "two.ipynb", "--jobs", "1", "--json", *(["--cold"] if cold else [])]
    # With it, a kernel leaves such files alone.
    environment = {name: text for name, text in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    assert json.loads(done.stdout)["passed"] == 2
    shown = (tmp_path / "out/one.ipynb").read_text("utf-8")
    assert ("by number" in shown, "characters)" in shown) == (True, True)
    assert [text for text in (shown, done.stdout, done.stderr) if line in text or "\x07" in text] == []
    assert "by number" not in done.stdout + done.stderr


def test_a_report_is_text(tmp_path: Path) -> None:
    """Names, parameters, claims, results and errors of notebooks are shown, and not obeyed."""
    evil = '"><script>alert(1)</script>'
    result = {"chargeId": evil, "chargeState": evil}
    failure = Failure(evil, evil, 1, evil, evil, evil)
    made = Run(f"javascript:alert(1){evil}", {evil: evil}, 0.1, failure, (Claim(evil, evil, False),), result)
    write_report(Summary((made,), 0.1), tmp_path, finished=datetime.now(UTC))
    page = (tmp_path / "report.html").read_text()
    assert not RUNS.search(page)
    assert evil not in (tmp_path / "junit.xml").read_text()
