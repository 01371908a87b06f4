"""What gets out: logs, exported pages and reports hold no secret, and nothing in them runs."""

import json
import logging
import re
import secrets
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import httpx
import nbformat
import pytest
from click.testing import CliRunner

from amazonpay_nb import export
from amazonpay_nb.cli import main
from amazonpay_nb.client import AmazonPayAuth, AmazonPayClient
from amazonpay_nb.emulator import Emulator
from amazonpay_nb.errors import ConfigurationError, ServerError
from amazonpay_nb.report import Claim, Run, Summary, write_report
from tests.emulated import SET_UP
from tests.unit.test_cli import COMMAND

HOSTILE = '"</script><script>alert(1)</script><img src=x onerror=alert(1)>'
TOKEN = secrets.token_urlsafe(60)


def test_a_failure_is_logged_without_the_buyers_token(caplog: pytest.LogCaptureFixture) -> None:
    """The path of Get Buyer holds it; neither the emulator's log nor that of the HTTP library repeats it."""
    with Emulator("na", seed=7) as emulator, AmazonPayClient(
        AmazonPayAuth(emulator.merchant.keys), environment="emulator", base_url=emulator.url, sleep=lambda seconds: None
    ) as client:  # fmt: skip
        emulator.world.store.close()
        with caplog.at_level(logging.INFO), pytest.raises(ServerError):
            client.get_buyer(TOKEN)
    assert {record.name for record in caplog.records} >= {"uvicorn.error", "httpx"}
    assert TOKEN[:20] not in caplog.text


def test_a_process_tells_no_secret(tmp_path: Path) -> None:
    """What it prints and logs, from its start over good, bad and broken requests to its end."""
    ready_file = tmp_path / "ready.json"
    command = [*COMMAND, "emulator", "--seed", "7", "--ready-file", str(ready_file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
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
    """A notebook that was executed before, and printed something."""
    shown = nbformat.v4.new_output("stream", name="stdout", text=output)
    html = nbformat.v4.new_output("display_data", {"text/html": f"<script>{output}</script>", "text/plain": output})
    cell = nbformat.v4.new_code_cell("show()", execution_count=1, outputs=[shown, html])
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
    return path


SECRETS = {
    "a private key": lambda: "-----BEGIN PRIVATE KEY-----\n" + "A" * 64,
    "a signature": lambda: f"Signature={'A' * 344}",
    "a buyer's token": lambda: f"https://shop.example/?buyerToken={'A' * 40}",
}


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
def test_a_page_with_a_secret_is_not_exported(secret: object, tmp_path: Path) -> None:
    """Nothing is written, and the message does not repeat it."""
    assert callable(secret)
    with pytest.raises(ConfigurationError, match="nothing was written") as refused:
        export.export(str(notebook(tmp_path / "told.ipynb", secret())), {}, tmp_path / "out")
    assert "AAAA" not in str(refused.value)
    assert not (tmp_path / "out").exists()


def test_an_exported_page_runs_nothing_that_was_printed(tmp_path: Path) -> None:
    """Markup that a cell prints is text, and an output that would run is replaced by its text."""
    page = export.export(str(notebook(tmp_path / "told.ipynb", HOSTILE)), {}, tmp_path / "out").path.read_text()
    assert "alert(1)" in page
    assert "<script" not in page
    assert "<img src=x" not in page


@pytest.mark.parametrize("name", ["..", "javascript:alert(1)", '"><img src=x>', "a#b?c%2f", "..%2f..%2fx"])
def test_a_file_is_written_where_it_belongs(name: str, tmp_path: Path) -> None:
    """Whatever a notebook is called, its page stands in the folder that was asked for."""
    inside = tmp_path / "inside"
    inside.mkdir()
    leaving = export.export(str(notebook(inside / f"{name}.ipynb", "plain")), {}, tmp_path / "out")
    assert leaving.path.resolve().parent == (tmp_path / "out").resolve()
    assert {path.name for path in tmp_path.iterdir()} == {"inside", "out"}


@pytest.mark.parametrize(
    "name", ['"</script><script>alert(1)</script>', "'<img src=x onerror=alert(1)>", "'\"\nraise SystemExit(1)\n#\\"]
)
def test_the_name_of_a_shop_is_a_name(name: str, tmp_path: Path) -> None:
    """It closes its quotes or its element: the run goes on, and the page that is left behind shows it as it is."""
    done = CliRunner().invoke(main, ["export", "00", "-p", "merchant_name", name, "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    page = (tmp_path / "00_start_here.html").read_text()
    assert "<script" not in page
    assert "<img src=x" not in page


def test_a_report_is_text(tmp_path: Path) -> None:
    """Names, parameters, claims, results and errors of notebooks are shown, and not obeyed."""
    evil = '"><script>alert(1)</script>'
    result = {"chargeId": evil, "chargeState": evil}
    made = Run(f"javascript:alert(1){evil}", {evil: evil}, 0.1, evil, (Claim(evil, evil, False),), result)
    write_report(Summary((made,), 0.1), tmp_path, finished=datetime.now(UTC))
    page = (tmp_path / "report.html").read_text()
    assert "<script" not in page
    assert not re.search(r'href="javascript:', page)
    assert evil not in (tmp_path / "junit.xml").read_text()
