"""The kit that a merchant's engineers take home: what is in it, that each piece works, and that no secret is in it."""

import base64
import io
import json
import re
import secrets
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import nbformat
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from amazonpay_nb.client.exchange import Exchange
from amazonpay_nb.client.journal import Journal
from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.rehearsal.plan import PlanFile
from amazonpay_nb.signing import keys as key_files, verify_request
from amazonpay_nb.spec.regions import region
from amazonpay_nb.stage.export import Finished, export, finish
from amazonpay_nb.stage.kit import collection, files, kit as write_kit, zipped
from amazonpay_nb.workbench.parameters import PARAMETERS
from tests.notebooks.test_notebook_shape import SECRETS

KEYS = key_files.generate()
PEM = KEYS.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
SIGNATURE = base64.b64encode(secrets.token_bytes(256)).decode()
TOKEN = secrets.token_urlsafe(40)
ADDRESS = {
    "name": "Quentin Canary",
    "addressLine1": "77 Canary Wharf Lane",
    "city": "Canaryville",
    "postalCode": "99801",
}
VARIABLE = re.compile(r"\{\{(\w+)\}\}")


@pytest.fixture(scope="module")
def run() -> Finished:
    """A run of chapter 01 in Europe."""
    return finish("01", {"region": "eu", "merchant_name": "Corner Shop"})


@pytest.fixture(scope="module")
def kit(run: Finished) -> dict[str, str]:
    return files(run)


def test_the_kit_has_what_an_engineer_asks_for(kit: dict[str, str]) -> None:
    """And its README says what each file is."""
    calls = {"completeCheckoutSession", "createCharge", "createRefund", "getCharge", "getChargePermission"}
    calls |= {"getCheckoutSession", "getRefund"}
    programs = {f"snippets/{call}.{ending}" for call in calls for ending in ("sh", "py", "js", "php", "java", "cs")}
    others = {
        "README.md", "amazon-pay.postman_collection.json", "drills.md", "go-live.md", "parity.md", "regions.md",
        "rehearsal.toml", "run.har", "run.html", "sign.py", "two-pages.html",
    }  # fmt: skip
    assert set(kit) == programs | others
    assert "Emulated: this is not Amazon." in kit["README.md"]
    assert "a kit for the engineers of Corner Shop" in kit["README.md"]
    assert [name for name in others - {"README.md"} if f"`{name}`" not in kit["README.md"]] == []
    assert "✓ shown | Set up outside of the purchase flow | 01_set_up" in kit["go-live.md"]
    assert "| host of the API | 127.0.0.1 | pay-api.amazon.eu | pay-api.amazon.eu |" in kit["go-live.md"]
    assert "¥" not in kit["two-pages.html"]


def test_a_kit_without_a_journal_promises_no_calls(run: Finished) -> None:
    """As of a notebook that was run in JupyterLab; its README says what is left out, and why."""
    left = files(replace(run, journal=Journal()))
    assert sorted(left) == [
        "README.md", "drills.md", "go-live.md", "parity.md", "regions.md", "rehearsal.toml", "run.html",
        "two-pages.html",
    ]  # fmt: skip
    assert "The run has left no journal" in left["README.md"]
    assert not re.search(r"run\.har|snippets/|sign\.py|postman", left["README.md"])


def test_a_page_of_the_kit_leads_nowhere_else(kit: dict[str, str]) -> None:
    """A link in it is one to the open web."""
    pages = [text for name, text in kit.items() if name.endswith(".md")]
    assert [link for text in pages for link in re.findall(r"\]\((?!https://)[^)]*\)", text)] == []


def test_a_program_is_for_amazons_host_and_the_readers_key(kit: dict[str, str]) -> None:
    """No address of this machine, which is gone, and no key of the run."""
    programs = {name: text for name, text in kit.items() if name.startswith("snippets/")}
    assert [name for name, text in programs.items() if "127.0.0.1" in text] == []
    named = {name for name, text in programs.items() if "SANDBOX-YOUR-KEY-ID" in text}
    assert named == {name for name in programs if not name.endswith(".sh")}
    assert "curl --request POST https://pay-api.amazon.eu/v2/charges" in programs["snippets/createCharge.sh"]


def test_the_plan_can_be_read(run: Finished, kit: dict[str, str], tmp_path: Path) -> None:
    """By the rehearsal itself; it names the currency of an account that is not in the usual one."""
    plan = PlanFile(tmp_path / "plan.toml", kit["rehearsal.toml"]).plan
    assert (plan.server.region, plan.server.currency, plan.pages.set_up) == ("eu", "", "/wallet")
    pounds = files(replace(run, settings={**run.settings, "currency": "GBP"}))
    assert PlanFile(tmp_path / "plan.toml", pounds["rehearsal.toml"]).plan.server.currency == "GBP"


def test_the_collection_is_one_of_postman(kit: dict[str, str]) -> None:
    """What format 2.1 requires: info with name and schema, items with requests, with method, url, header and body."""
    made = json.loads(kit["amazon-pay.postman_collection.json"])
    assert set(made) == {"info", "item", "variable"}
    assert made["info"]["name"]
    assert made["info"]["schema"] == "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
    for item in made["item"]:
        request = item["request"]
        assert set(item) == {"name", "request", "response"}
        assert request["method"] in {"GET", "POST", "PATCH", "DELETE"}
        assert all(set(row) == {"key", "value"} for row in request["header"])
        assert request["url"].startswith("https://{{host}}/v2/")
        assert request.get("body", {"mode": "raw"})["mode"] == "raw"
    names = [item["name"] for item in made["item"]]
    assert names == [
        "Get Checkout Session", "Complete Checkout Session", "Get Charge Permission", "Create Charge", "Create Refund",
        "Get Refund", "Get Charge",
    ]  # fmt: skip
    known = {row["key"] for row in made["variable"]}
    assert set(VARIABLE.findall(json.dumps(made["item"]))) <= known
    bodies = {item["name"]: item["request"].get("body", {}).get("raw") for item in made["item"]}
    assert json.loads(bodies["Create Charge"])["chargePermissionId"] == "{{chargePermissionId}}"
    assert bodies["Get Charge"] is None


def test_a_signature_for_the_collection_is_good(kit: dict[str, str], tmp_path: Path) -> None:
    """Postman's request, with the two values that sign.py prints, is as Amazon wants it."""
    for name in ("sign.py", "amazon-pay.postman_collection.json"):
        (tmp_path / name).write_text(kit[name], "utf-8")
    key_files.save(KEYS, tmp_path / "private.pem")
    command = [sys.executable, "sign.py", "Create Charge", "private.pem", "SANDBOX-AB12", "idempotencyKey=one"]
    printed = subprocess.check_output(command, cwd=tmp_path, text=True)
    values = dict(line.split(": ", 1) for line in printed.splitlines()) | {"idempotencyKey": "one"}

    made = json.loads(kit["amazon-pay.postman_collection.json"])
    values = {row["key"]: row["value"] for row in made["variable"]} | values
    (request,) = [item["request"] for item in made["item"] if item["name"] == "Create Charge"]
    headers = [(row["key"], filled(row["value"], values)) for row in request["header"]]
    path = urlsplit(filled(request["url"], values)).path
    body = filled(request["body"]["raw"], values).encode()
    verify_request(request["method"], path, "", headers, body, KEYS.public_pem)
    assert json.loads(body)["chargePermissionId"].startswith("C02-")


def test_sign_says_what_it_takes(kit: dict[str, str], tmp_path: Path) -> None:
    """Without a traceback, whether a name or everything is wrong."""
    for name in ("sign.py", "amazon-pay.postman_collection.json"):
        (tmp_path / name).write_text(kit[name], "utf-8")
    for arguments in (["No Such", "private.pem", "SANDBOX-AB12"], []):
        done = subprocess.run([sys.executable, "sign.py", *arguments], cwd=tmp_path, text=True, capture_output=True)
        assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
        assert "Create Charge" in done.stderr


def test_a_kit_knows_nothing_of_our_tests_and_says_what_it_needs(kit: dict[str, str]) -> None:
    """Tables keep their shape; evidence has the words of the stage; a step that was not shown says where to see it."""
    pages = {name: text for name, text in kit.items() if name.endswith(".md")}
    assert [name for name, text in pages.items() if "`tests/" in text] == []
    assert (
        "| Id | Claim | Evidence | Source | Read on | Recorded |\n| --- | --- | --- | --- | --- | --- |"
        in kit["parity.md"]
    )
    rows = [row.split(" | ") for row in kit["parity.md"].splitlines() if row.startswith("| <a id")]
    assert {len(row) for row in rows} == {6}
    words = {"documented", "in Amazon's SDK", "seen", "inferred", "emulator only"}
    assert {row[2].partition(" (")[0] for row in rows} == words
    assert "not in this run: see the workbook, chapter 09" in kit["go-live.md"]
    assert re.findall(r"emulator-only:|sdk:|recorded:|[(|] ?(?:emulator-only|sdk|recorded)\b", kit["go-live.md"]) == []
    assert "pip install 'FILE[rehearse]'" in kit["README.md"]


@pytest.mark.parametrize(("write", "name", "names"), [
    (write_kit, "nosuch", ["05_manage_payments"]), (write_kit, "ride", ["01_set_up", "05_manage_payments"]),
    (export, "nosuch", ["ride", "sign-in", "05_manage_payments"]),
])  # fmt: skip
def test_a_name_that_does_not_exist_is_answered_with_those_that_do(
    tmp_path: Path, write: Callable[..., object], name: str, names: list[str]
) -> None:
    """Nothing is written."""
    with pytest.raises(ConfigurationError) as error:
        write(name, {}, tmp_path / "out")
    assert [each for each in names if each not in f"{error.value}"] == []
    assert not (tmp_path / "out").exists()


def filled(text: str, values: dict[str, str]) -> str:
    return VARIABLE.sub(lambda found: values[found[1]], text)


@pytest.mark.parametrize("secret", SECRETS)
def test_a_kit_gives_nothing_away(kit: dict[str, str], secret: str) -> None:
    """What must not stand in a committed notebook does not stand here either; a page carries pictures in base64."""
    texts = {name: re.sub(r"base64,[\w+/=]+", "", text) for name, text in kit.items()}
    assert {name: hits for name, text in texts.items() if (hits := SECRETS[secret].findall(text))} == {}


def test_a_canary_is_in_no_file(tmp_path: Path) -> None:
    """Key, signature, token and a buyer's data, which pass through a journal into every file that is made from it."""
    journal = Journal(file=tmp_path / "run.jsonl")
    for operation, path in (("createCheckoutSession", "/v2/checkoutSessions"), ("getBuyer", f"/v2/buyers/{TOKEN}")):
        journal.record(leaky(operation, path))
    settings = {name: parameter.default for name, parameter in PARAMETERS.items()}
    document = new_notebook(cells=[new_markdown_cell("# A run")])
    run = Finished(tmp_path / "leaky.ipynb", document, Journal.read(tmp_path / "run.jsonl"), None, settings)
    everything = zipped(files(run))
    with zipfile.ZipFile(io.BytesIO(everything)) as archive:
        texts = {name: archive.read(name).decode() for name in archive.namelist()}
    assert "snippets/getBuyer.php" in texts
    canaries = [PEM.splitlines()[1], SIGNATURE, TOKEN, "canary@buyer.test", *ADDRESS.values()]
    assert [(name, canary) for name, text in texts.items() for canary in canaries if canary in text] == []


def test_half_of_a_character_is_no_reason_to_fail() -> None:
    """JSON can say it, and a journal that somebody else has written may have it anywhere."""
    with zipfile.ZipFile(io.BytesIO(zipped({"a": json.loads(r'"\ud800"')}))) as archive:
        assert archive.read("a").decode() == "\ufffd"


def leaky(operation: str, path: str) -> Exchange:
    authorization = (
        f"AMZN-PAY-RSASSA-PSS-V2 PublicKeyId=SANDBOX-AB12, SignedHeaders=accept;x-amz-pay-region, Signature={SIGNATURE}"
    )
    buyer: dict[str, Any] = {"email": "canary@buyer.test", "addressDetails": ADDRESS, "note": PEM}
    headers = {"host": "pay-api.amazon.com", "x-amz-pay-region": "na", "authorization": authorization}
    moment = datetime(2026, 1, 15, tzinfo=UTC)
    return Exchange(moment, operation, "POST", path, 201, request=buyer, response=buyer, headers=headers)


def test_the_head_of_a_kit_is_no_markup(run: Finished) -> None:
    """Whatever the merchant and the first heading of the notebook say."""
    settings = {**run.settings, "merchant_name": "<b>*A*</b> [B](http://evil.test)"}
    document = new_notebook(cells=[new_markdown_cell("# A | `run` <img src=x>")])
    head = files(replace(run, settings=settings, document=document))["README.md"].partition("\n")[0]
    name = r"\<b\>\*A\*\</b\> \[B\](http://evil.test)"
    assert head == rf"# A \| \`run\` \<img src=x\>: a kit for the engineers of {name}"


@pytest.mark.parametrize("line", ["merchant_color: str = 'red;}</style>'", "region: str = '../na'"])
@pytest.mark.parametrize("write", [write_kit, export])
def test_a_run_of_somebody_else_has_values_that_exist(write: Callable[..., object], line: str, tmp_path: Path) -> None:
    """They were not checked here before it ran, and stand in every page."""
    cell = new_code_cell(line, execution_count=1, metadata={"tags": ["parameters"]})
    opens = new_code_cell("from amazonpay_nb import workbench\nwb = workbench.open()", execution_count=2)
    (tmp_path / "run.ipynb").write_text(nbformat.writes(new_notebook(cells=[cell, opens])), "utf-8")
    with pytest.raises(ConfigurationError, match=r"merchant_color|region"):
        write(str(tmp_path / "run.ipynb"), {}, tmp_path / "out")


def test_the_same_content_is_the_same_zip() -> None:
    """Whatever the order in which the files were made, and whenever."""
    one, other = zipped({"b": "two", "a": "ä"}), zipped({"a": "ä", "b": "two"})
    assert one == other
    with zipfile.ZipFile(io.BytesIO(one)) as archive:
        assert archive.namelist() == ["a", "b"]
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_a_longer_id_is_not_taken_for_the_one_that_it_begins_with() -> None:
    """Amazon's id of a charge begins with that of its permission."""
    journal = Journal()
    charge = {
        "chargeId": "S01-1234567-7654321-C123456",
        "chargePermissionId": "S01-1234567-7654321",
        "statusDetails": {"state": "Captured"},
    }
    moment = datetime(2026, 1, 15, tzinfo=UTC)
    call = Exchange(moment, "getCharge", "GET", "/v2/charges/S01-1234567-7654321-C123456", 200, response=charge)
    permission = {"chargePermissionId": "S01-1234567-7654321", "statusDetails": {"state": "Chargeable"}}
    asked = Exchange(
        moment, "getChargePermission", "GET", "/v2/chargePermissions/S01-1234567-7654321", 200, response=permission
    )
    made = collection(journal, [journal.record(asked), journal.record(call)], region("na"))
    assert [item["request"]["url"] for item in made["item"]] == [
        "https://{{host}}/v2/chargePermissions/{{chargePermissionId}}", "https://{{host}}/v2/charges/{{chargeId}}",
    ]  # fmt: skip


def test_a_text_is_no_variable_of_postman() -> None:
    """A merchant's name goes to Amazon as it is; in Postman, two braces would put a signature or a secret there."""
    sent = {"merchantMetadata": {"merchantStoreName": "{{authorization}} {{{$guid}}}"}, "chargePermissionId": "S01-1-1"}
    moment = datetime(2026, 1, 15, tzinfo=UTC)
    call = Exchange(moment, "createCharge", "POST", "/v2/charges/{{host}}", 201, request=sent)
    journal = Journal()
    for number in ('"', "POST"):  # as somebody else's journal may call a charge
        journal.record(replace(call, response={"chargeId": number, "statusDetails": {"state": "Captured"}}))
    (item,) = collection(journal, [call], region("na"))["item"]
    assert item["request"]["method"] == "POST"
    assert VARIABLE.findall(json.dumps(item["request"]["url"])) == ["host"]
    assert "{{" not in item["request"]["body"]["raw"]
    assert json.loads(item["request"]["body"]["raw"]) == sent
