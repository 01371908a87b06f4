"""Secrets that are put into every input, and looked for in everything that comes out."""

import base64
import json
import logging
import secrets
import subprocess
import sys
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path

import click
import httpx
import nbformat
import papermill
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from nbformat.v4 import new_code_cell, new_notebook

from amazonpay_nb.cli import main
from amazonpay_nb.client import AmazonPayClient, har
from amazonpay_nb.client.journal import Journal
from amazonpay_nb.client.notifications import NotificationReader
from amazonpay_nb.emulator import Emulator
from amazonpay_nb.errors import AmazonPayError
from amazonpay_nb.lessons.account import MerchantAccount
from amazonpay_nb.runs.kernels import execute, kernel_environment
from amazonpay_nb.shop import Shop
from amazonpay_nb.shop.inbox import Inbox
from amazonpay_nb.signing.keys import generate, load
from amazonpay_nb.spec.answers import Buyer
from amazonpay_nb.stage.export import export
from amazonpay_nb.workbench.show import show
from tests.processes import PATIENCE
from tests.sns import TOPIC, URL
from tests.unit.runs.test_runner import KERNEL
from tests.unit.test_cli import run

KEYS = generate()
PEM = KEYS.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
BODY = "".join(PEM.splitlines()[1:-1])
SIGNATURE = base64.b64encode(secrets.token_bytes(256)).decode()
TOKEN, CONTROL, PASSWORD = secrets.token_urlsafe(40), secrets.token_urlsafe(32), secrets.token_urlsafe(9)
# What nothing may show: the key as it is written, hidden in other digits, and the other secrets.
HIDDEN = {
    "the key": BODY,
    "the key's number": str(KEYS.private_key.private_numbers().d),
    "the key in hexadecimal": base64.b64decode(BODY).hex(),
    "a factor of the key": base64.urlsafe_b64encode(KEYS.private_key.private_numbers().p.to_bytes(128)).decode(),
    "the key in pairs of digits": KEYS.private_key.private_numbers().d.to_bytes(256).hex(":"),
    "the key in base64": base64.b64encode(PEM.encode()).decode(),
    "a signature": SIGNATURE,
    "a token": TOKEN,
    "the control token": CONTROL,
    "a password": PASSWORD,
    "a buyer": "Zebedee Canary-Buyer",
    "an address": "zebedee.canary@mail.invalid",
}
WINDOW = 20  # characters of a secret that nobody meets by chance
PUBLIC = "".join(KEYS.public_pem.splitlines())  # a private key begins with the same numbers
PIECES = {
    name: {secret[at : at + WINDOW] for at in range(max(len(secret) - WINDOW, 0) + 1)}
    for name, secret in HIDDEN.items()
}


def leaks(text: str) -> list[str]:
    """The secrets of which a piece is in a text."""
    return [name for name, pieces in PIECES.items() if any(piece in text and piece not in PUBLIC for piece in pieces)]


def written_in(folder: Path) -> dict[str, list[str]]:
    """The files of a folder that show a secret."""
    found = {path.name: leaks(path.read_text("utf-8")) for path in folder.rglob("*") if path.is_file()}
    return {name: secrets for name, secrets in found.items() if secrets}


# Each shows a secret in a way of its own.
SHOWN = {
    "as it is": "print(pem)",
    "in quotes": "pem",
    "as bytes": "pem.encode()",
    "as a list of lines": "pem.splitlines()",
    "a line at a time": "for line in pem.splitlines(): print(line)",
    "on the other stream": "import sys; print(pem, file=sys.stderr)",
    "in a log": "import logging; logging.warning('it is %s', pem)",
    "in a warning": "import warnings; warnings.warn(pem)",
    "in JSON": "print('it says', json.dumps({'note': pem}))",
    "twice in JSON": "print('it says', json.dumps(json.dumps({'note': pem})))",
    "in an answer": "print(''.join('> ' + line for line in pem.splitlines(True)))",
    "with numbers": "for at, line in enumerate(pem.splitlines(), 1): print(f'{at:4}  {line}')",
    "with its old header": "print(pem.replace('KEY-----', 'KEY-----\\nProc-Type: 4,ENCRYPTED\\nDEK-Info: A\\n'))",
    "without its header": "print('\\n'.join(pem.splitlines()[1:-1]))",
    "without header, numbered": "for at, line in enumerate(pem.splitlines()[1:-1], 1): print(at, line)",
    "without header, in JSON": "print('it says', json.dumps('\\n'.join(pem.splitlines()[1:-1])))",
    "in one line": "print(''.join(pem.splitlines()[1:-1]))",
    "with line ends written out": "print(pem.replace('\\n', '\\\\n'))",
    "in short lines": "print(textwrap.fill(pem.replace('\\n', ''), 32))",
    "as a value": "{'note': pem}",
    "as a name": "{pem: 1}",
    "as a path": "from pathlib import Path; Path(pem)",
    "for an address": "from urllib.parse import quote; print(quote(pem))",
    "in base64": "import base64; print(base64.b64encode(pem.encode()))",
    "in hexadecimal": "print(base64.b64decode(''.join(pem.splitlines()[1:-1])).hex())",
    "in lines of 80": "print(textwrap.fill(''.join(pem.splitlines()[1:-1]), 80))",
    "in pairs of digits": "print(textwrap.fill(base64.b64decode(''.join(pem.splitlines()[1:-1])).hex(':'), 45))",
    "as a number": "from amazonpay_nb.signing.keys import load; print(load(pem, '').private_key.private_numbers().d)",
    "as a JWK": (
        "from amazonpay_nb.signing.keys import load; import base64; one = load(pem, '').private_key.private_numbers(); "
        "print(json.dumps({'p': base64.urlsafe_b64encode(one.p.to_bytes(128)).decode(), 'kty': 'RSA'}, indent=1))"
    ),
    "as a table": "import pandas; pandas.DataFrame({'line': pem.splitlines()})",
    "as HTML": "from IPython.display import HTML; HTML('<pre>' + html.escape(pem) + '</pre>')",
    "as lines of HTML": "HTML(pem.replace('\\n', '<br>'))",
    "as Markdown": "from IPython.display import Markdown; Markdown('**key** ' + pem)",
    "in references": "HTML(pem.replace('-', '&#45;').replace('+', '&#x2B;').replace('/', '&sol;'))",
    "in references, without its header": "HTML('\\n'.join(pem.splitlines()[1:-1]).replace('/', '&#x2F;'))",
    "with marks": "Markdown(f'**buyerToken**: `{token}`, a *password*&#61;{password}'); print(f'`token`: {token}')",
    "as a picture": "display({'image/svg+xml': '<svg><text>' + pem + '</text></svg>'}, raw=True)",
    "as data": "display({'application/json': {'note': [pem]}, 'text/plain': ''}, raw=True)",
    "as a record": "claim = {'id': 'a', 'text': pem, 'ok': True}\n"
    "display({RECORD_MIME: {'claims': [claim], 'result': {'chargeId': pem}}, 'text/plain': ''}, raw=True)",
    "in an error that is shown": "try: raise KeyError(pem)\nexcept KeyError: get_ipython().showtraceback()",
    "in an error of the system": "try: open(pem)\nexcept OSError: get_ipython().showtraceback()",
    "in a header": "print(f'AMZN-PAY-RSASSA-PSS-V2 PublicKeyId=x, SignedHeaders=a, Signature={signature}')",
    "in a field": "print('it says', {'signature': signature[:60]}, json.dumps({'Signature': signature[60:120]}))",
    "a bearer": "print(f'curl -H \"Authorization: Bearer {control}\" http://127.0.0.1')",
    "the control token": "print({'controlToken': control})",
    "a buyer's token": "print(f'it says \"buyerToken\": \"{token}\" and /v2/buyers/{token} and ?buyerToken={token}')",
    "a token in JSON": "print('it says', json.dumps(json.dumps({'buyerToken': token})))",
    "a password": "print(f'https://shop.example/?password={password}'); {'client_secret': password}",
    "a buyer": "print('it says', {'name': buyer, 'email': mail}); {'buyer': {'name': buyer}}",
    "a buyer in JSON": "print(json.dumps({'shippingAddress': {'name': buyer}}), json.dumps({'name': buyer}))",
    "in code": "from IPython.display import Code; Code(json.dumps({'client_secret': password}), language='json')",
    "in a representation": "from types import SimpleNamespace as Login; Login(password=password, n=1)",
    "in headers": "print(f'{{}}\\nX-Amz-Pay-AuthToken: {token}\\nAuthorization: Basic {token}')",
    "a buyer's mail": "print(f'written to <{mail}>')",
}  # fmt: skip
RAISED = f"login = dict(password='{PASSWORD}', buyer={{'name': 'Zebedee Canary-Buyer'}}); "
RAISED += "raise ValueError('a key is in the way: ' + pem) from RuntimeError({'buyerToken': token})"
GIVEN = {"pem": PEM, "signature": SIGNATURE, "token": TOKEN, "control": CONTROL, "password": PASSWORD,
         "buyer": HIDDEN["a buyer"], "mail": HIDDEN["an address"]}  # fmt: skip


@pytest.fixture
def shown(tmp_path: Path) -> Path:
    """A notebook whose cells show each secret in each way, and then fail over one; it reads them from a file."""
    (tmp_path / "given.json").write_text(json.dumps(GIVEN))
    opening = "import base64, html, json, textwrap\nfrom pathlib import Path\n"
    opening += "from amazonpay_nb.workbench.claims import RECORD_MIME\n"
    opening += f"globals().update(json.loads(Path({str(tmp_path / 'given.json')!r}).read_text()))"
    parameters = new_code_cell('note: str = ""', metadata={"tags": ["parameters"]})
    cells = [parameters, *map(new_code_cell, (opening, *SHOWN.values(), RAISED))]
    path = tmp_path / "shown.ipynb"
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": KERNEL}), path)
    return path


def test_no_cell_gets_a_secret_out(shown: Path, tmp_path: Path) -> None:
    """Every file of a run and of an export, and both streams of the command; papermill's own file has them all."""
    out = tmp_path / "out"
    done = run("run", shown, "--out", out, "-p", "note", PEM)
    assert done.returncode == 1, done.stderr
    assert {path.suffix for path in out.iterdir()} == {".ipynb", ".html", ".xml", ".json"}, done.stderr
    assert written_in(out) == {}
    assert leaks(done.stdout + done.stderr) == []

    raw = tmp_path / "raw" / shown.name
    raw.parent.mkdir()
    with kernel_environment(), pytest.raises(papermill.PapermillExecutionError):
        execute(nbformat.read(shown, 4), tmp_path, raw, {})
    cells = [cell for cell in nbformat.read(raw, 4).cells if cell.cell_type == "code"][2:]
    silent = [name for name, cell in zip([*SHOWN, "raised"], cells, strict=True) if not leaks(json.dumps(cell.outputs))]
    assert silent == [], "a way that shows nothing proves nothing"
    export(str(raw), {}, tmp_path / "left")
    assert written_in(tmp_path / "left") == {}


def test_a_key_in_a_variable_is_used_and_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cell that opens the Sandbox with it and fails, the doctor, and the check of keys: files and streams."""
    values = {"PRIVATE_KEY_FILE": PEM, "PUBLIC_KEY_ID": "SANDBOX-" + "A" * 24, "MERCHANT_ID": "A1", "STORE_ID": "s"}
    for name, value in values.items():
        monkeypatch.setenv(f"AMAZON_PAY_{name}", value)
    opening = "VARIABLE = 'AMAZON_PAY_PRIVATE_KEY_FILE'\nfrom amazonpay_nb import workbench\n"
    opening += "wb = workbench.open(environment='sandbox', buyer='you')"
    cells = [
        opening,
        "wb.set_up_keys()",
        "wb.check_keys()",
        "import os; open(os.environ['AMAZON_PAY_PRIVATE_KEY_FILE'])",
    ]
    path = tmp_path / "opened.ipynb"
    notebook = new_notebook(cells=list(map(new_code_cell, cells)), metadata={"kernelspec": KERNEL})
    nbformat.write(notebook, path)
    out = tmp_path / "out"
    done = [run("run", path, "--out", out), run("doctor"), run("keys", "check", "--id", "A" * 24), run("keys", "show")]
    assert [each.returncode for each in done] == [1, 0, 0, 0], done
    assert "an RSA key of 2048 bits" in (out / "opened.ipynb").read_text("utf-8")
    assert written_in(out) == {}
    assert [leaks(each.stdout + each.stderr) for each in done] == [[]] * 4


# A key, and what names its secret.
RECOGNIZED = {
    "key": PEM, "signature": f"Signature={SIGNATURE}", "token": f"https://a.example/?buyerToken={TOKEN}",
    "JSON": json.dumps({"signature": SIGNATURE, "note": PEM}), "bearer": f"Bearer {CONTROL}",
}  # fmt: skip


def broken(text: str) -> None:
    raise RuntimeError(f"nobody has thought of this: {text}") from KeyError(text)


@pytest.mark.parametrize("secret", RECOGNIZED.values(), ids=RECOGNIZED)
def test_no_message_of_the_command_repeats_a_secret(
    secret: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the place of a command, an argument, a value, a name, a path; and where the command itself breaks."""
    monkeypatch.chdir(tmp_path)
    ran = new_notebook(cells=[new_code_cell("1", execution_count=1)])
    nbformat.write(ran, "ran.ipynb")
    attempts = [
        (secret,), ("run", secret), ("run", "--", secret), ("run", "01", "-p", "amount", secret),
        ("run", "01", "-p", secret, "1"), ("run", "--jobs", secret), ("export", "--", secret),
        ("emulator", "--region", secret), ("emulator", "--clock", secret), ("emulator", "--store", f"{secret}/x"),
        ("keys", "new", secret), ("keys", "new", "--", secret), ("keys", "check", "k", "--id", secret),
        ("keys", "show", "--", f"no-such-file-{secret}"), ("grade", "--", secret),
        ("buyer", "approve", "http://127.0.0.1:9/x", "--card", secret),
        ("export", "ran.ipynb", "--out", f"/dev/null/{secret}"), ("break", "--", secret),
    ]  # fmt: skip
    main.add_command(click.Command("break", params=[click.Argument(["text"])], callback=broken))
    done = [CliRunner().invoke(main, attempt) for attempt in attempts]
    main.commands.pop("break")
    assert "Traceback" in done[-1].output
    assert [leaks(each.output) for each in done] == [[]] * len(attempts)


def test_what_a_field_holds_gets_no_further(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Fields, ids and tokens of calls; the journals of both sides, their archive, errors, and what a cell shows."""
    caplog.set_level(logging.DEBUG)
    with Emulator(seed=7) as emulator, ExitStack() as held:
        keys = load(emulator.merchant.private_key_file, emulator.merchant.public_key_id)
        client = held.enter_context(
            AmazonPayClient(keys, environment="emulator", base_url=emulator.url, journal=Journal())
        )
        for secret in RECOGNIZED.values():
            metadata = {"customInformation": secret, "noteToBuyer": secret, "merchantReferenceId": secret}
            with pytest.raises(AmazonPayError) as refused:
                client.create_charge(
                    charge_permission_id="S01-0000000-0000000", merchant_metadata=metadata,
                    charge_amount={"amount": secret, "currencyCode": "USD"},
                )  # fmt: skip
            assert leaks(f"{refused.value} {refused.value!r}") == []
            assert leaks(str(show(refused.value).text)) == []
        for call, object_id in ((client.get_buyer, TOKEN), (client.get_charge, PEM)):
            with pytest.raises(AmazonPayError) as refused:
                call(object_id)
            assert leaks(str(refused.value)) == []
        assert len(client.journal.exchanges) >= 6
        archive = har.write(client.journal, tmp_path / "calls.har").read_text()
        told = [caplog.text, archive, repr(client.journal), *(show(each).html for each in client.journal.exchanges)]
        assert [leaks(text) for text in told] == [[]] * len(told)
        control = emulator.ready()
        bearer = {"authorization": f"Bearer {control['controlToken']}"}
        journal = httpx.get(f"{control['controlUrl']}/journal", headers=bearer, verify=emulator.verify)
        assert leaks(journal.text) == []


def test_a_representation_hides_the_buyer() -> None:
    """A log or a cell shows objects as they are written, and is read by people whom the buyer does not know."""
    with Emulator(seed=7) as emulator, closing(MerchantAccount(emulator)) as account:
        session = account.client.get_checkout_session(account.stay(account.session()))
        permission = account.client.get_charge_permission(account.wallet())
    buyer, address = permission.buyer or {}, session.billing_address or {}
    things = [session, permission, Buyer.model_validate(buyer)]
    hidden = {buyer["name"], buyer["email"], buyer["phoneNumber"], address["addressLine1"], address["postalCode"]}
    assert [text for thing in things for text in hidden if not text or text in f"{thing!r} {thing}"] == []
    assert str(permission.charge_permission_id) in repr(permission)


# Tests of somebody's shop that fail, each over another secret; they get them as a suite does, not from its text.
FAILING = """
import json
import os
import signal
import socket
import threading
from pathlib import Path

import pytest
from amazonpay_nb import workbench
from amazonpay_nb.client import AmazonPayClient
from amazonpay_nb.client.button import sign_button
from amazonpay_nb.shop.attempt import Arrival
from amazonpay_nb.signing import keys as key_files
from amazonpay_nb.workbench.panels.keys import KeyPanel

given = json.loads(Path("given.json").read_text())
GIVEN = {"path_or_pem": given["pem"], "passphrase": given["password"]}

def test_load():
    key_files.load(**GIVEN, public_key_id="A")

def test_from_file():
    key_files.MerchantKeys.from_file(given["pem"], "A", passphrase=given["password"])

@pytest.mark.parametrize("name", ["save", "save_public"])
def test_save(name):
    getattr(key_files, name)(key_files.generate(), given["pem"])

def test_write():
    key_files.write_file(Path("no folder/x"), given["pem"].encode(), mode=0o600, overwrite=False)

def test_panel():
    KeyPanel(workbench.open(buyer="script")).load("", given["pem"], "A", given["password"])

def test_refused(amazonpay_client):
    amazonpay_client.get_buyer(given["token"])

def test_lost(amazonpay_emulator):
    keys = amazonpay_emulator.merchant.keys
    client = AmazonPayClient(keys, environment="emulator", base_url="http://127.0.0.1:9", sleep=lambda seconds: None)
    client.get_buyer(given["token"])

def test_interrupted(amazonpay_emulator):
    server, held = socket.create_server(("127.0.0.1", 0)), []
    signal.signal(signal.SIGALRM, lambda *_: pytest.fail("It takes too long."))
    threading.Thread(target=lambda: (held.append(server.accept()), os.kill(os.getpid(), signal.SIGALRM))).start()
    url = f"http://127.0.0.1:{server.getsockname()[1]}"
    AmazonPayClient(amazonpay_emulator.merchant.keys, environment="emulator", base_url=url).get_buyer(given["token"])

def test_blocked(amazonpay_client, monkeypatch):
    class Blocked(socket.socket):
        def __new__(cls, *_, **more):
            raise RuntimeError("No socket is allowed.")
    monkeypatch.setattr(socket, "socket", Blocked)
    amazonpay_client.get_buyer(given["token"])

def test_arrival():
    assert Arrival("ordered", "s", given["token"]) == Arrival("cancel", "s", given["token"] + "x")

# The mistakes of the first hour: the text of a key where a pair of keys is wanted.
@pytest.mark.parametrize("call", [
    lambda text: AmazonPayClient(text, environment="sandbox"),
    lambda text: sign_button({"storeId": "s"}, text),
    lambda text: AmazonPayClient(key_files.MerchantKeys(text, "SANDBOX-A"), environment="sandbox").get_charge("S01-1"),
    lambda text: key_files.with_id(text, "A"),
], ids=["client", "button", "pair", "id"])
def test_text(call):
    call(given["pem"])

def test_register(amazonpay_emulator):
    amazonpay_emulator.register_key(given["pem"])

@pytest.fixture
def private_key():
    return given["pem"]

def test_own(private_key):
    pytest.fail("whatever it was called with")
"""


@pytest.mark.parametrize(
    "options", [(), ("-vvv", "--tb=long", "--showlocals"), ("-vvv", "--full-trace"), ("--tb=native",)], ids=" ".join
)
def test_no_report_of_pytest_shows_what_a_call_was_given(options: tuple[str, ...], tmp_path: Path) -> None:
    """Its report names what each frame was called with; a test's own variables are its own."""
    token = f"Atza|{TOKEN}"
    (tmp_path / "given.json").write_text(json.dumps({"pem": PEM, "password": PASSWORD, "token": token}))
    (tmp_path / "test_it.py").write_text(FAILING)
    (tmp_path / "test_import.py").write_text("from test_it import *\nAmazonPayClient(given['pem'])")
    quiet = "-m pytest -q -rA -p no:cacheprovider -p no:nbval --junitxml report.xml --continue-on-collection-errors"
    command = (sys.executable, *quiet.split(), *options)
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE)
    assert "17 failed, 1 error" in done.stdout, done.stdout
    assert ("Failed: It takes too long." in done.stdout, "RuntimeError: No socket is" in done.stdout) == (True, True)
    assert leaks(done.stdout + done.stderr + (tmp_path / "report.xml").read_text()) == []


@pytest.mark.parametrize("field", ["Type", "Message", "TopicArn", "Timestamp", "Signature", "SigningCertURL"])
def test_what_a_notification_holds_is_in_no_log(field: str, caplog: pytest.LogCaptureFixture) -> None:
    """An unsigned body with a secret in a field: what the shop says about it, and what its log holds."""
    caplog.set_level(logging.DEBUG)
    envelope = {"Type": "Notification", "Message": "{}", "MessageId": "1", "TopicArn": TOPIC, "SignatureVersion": "1",
                "Timestamp": datetime.now(UTC).isoformat(), "Signature": "AAAA",
                "SigningCertURL": URL}  # fmt: skip
    shop = Shop()
    shop.inbox = Inbox(NotificationReader(TOPIC), AmazonPayClient(generate()))
    try:
        for secret in RECOGNIZED.values():
            answer = httpx.post(f"{shop.url}/notifications", json=envelope | {field: secret})
            assert answer.status_code in (400, 503)
            assert leaks(answer.text) == []
        notices = shop.inbox.work()
    finally:
        shop.close()
    assert len(notices) == len(RECOGNIZED)
    assert leaks(repr(notices) + str(show(notices).html) + caplog.text) == []
