"""Recordings: what the probes claim holds on an emulator, and a second one that answers otherwise is found out."""

import json
import re
import shutil
import stat
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner
from starlette.types import Receive, Scope, Send

import amazonpay_nb
from amazonpay_nb.cli import main
from amazonpay_nb.emulator import Emulator
from amazonpay_nb.emulator.remote import ClockControl, Control
from amazonpay_nb.errors import ConfigurationError, TransportError
from amazonpay_nb.loopback import LoopbackServer, http_client
from amazonpay_nb.redaction import redact
from amazonpay_nb.rehearsal.ports import port_for_another
from amazonpay_nb.runs import recordings
from amazonpay_nb.runs.parity import Target, of_emulator, record, target
from amazonpay_nb.runs.probes import probes
from amazonpay_nb.shop import buyer
from amazonpay_nb.signing.keys import generate, load, save, with_id
from amazonpay_nb.spec.parity import Evidence, behaviors
from docs import regenerate
from tests.processes import program

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of an emulator."""
    path = tmp_path_factory.mktemp("parity") / "here.json"
    with target(None, "na") as emulator:
        record(emulator, out=path, say=lambda text: None)
    return path


def test_the_probes_name_claims_that_exist() -> None:
    """Those that we only infer, above all, and none that is true here alone."""
    evidence = {row.id: row.evidence for row in behaviors()}
    reached = {claim for probe in probes().values() for claim in probe.claims}
    assert reached - evidence.keys() == set()
    assert len(reached) >= 200
    assert len({claim for claim in reached if evidence[claim] == Evidence.INFERRED}) >= 45
    assert Evidence.EMULATOR_ONLY not in {evidence[claim] for claim in reached}


def test_an_emulator_answers_as_claimed(here: Path) -> None:
    """In all that was reached; what was not is for another region."""
    comparison = recordings.claimed(recordings.read(here))
    assert comparison["different"] == []
    assert len(comparison["notReached"]) < 8


@pytest.mark.parametrize("region", ["eu", "jp"])
def test_other_regions_answer_as_claimed(region: str) -> None:
    """With their own amounts, and without what is not offered there."""
    with target(None, region) as emulator:
        comparison = recordings.claimed(record(emulator, say=lambda text: None))
    assert comparison["different"] == []
    assert len(comparison["notReached"]) < 12


def test_two_emulators_are_equal(here: Path) -> None:
    """The command compares with one that it starts itself."""
    result = CliRunner().invoke(main, ["parity", "--compare", str(here), "--json"])
    comparison = json.loads(result.stdout)
    assert (result.exit_code, comparison["different"]) == (0, [])
    assert len(comparison["equal"]) > 200


CHANGED = tomllib.loads(Path(__file__).with_name("changed_rows.toml").read_text("utf-8"))["rows"]


@pytest.fixture(scope="module")
def other_emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The ready file of an emulator in another process, whose package has other rows in more than thirty places."""
    folder = tmp_path_factory.mktemp("other")
    shutil.copytree(Path(amazonpay_nb.__file__).parent, folder / "amazonpay_nb")
    for row in CHANGED:
        path = folder / "amazonpay_nb" / row["file"]
        text = path.read_text("utf-8")
        assert text.count(row["old"]) == 1, row
        path.write_text(text.replace(row["old"], row["new"]), "utf-8")
    ready = folder / "ready.json"
    command = [sys.executable, "-m", "amazonpay_nb", "emulator", "--seed", "11", "--ready-file", str(ready)]
    with program(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            assert process.stdout.readline().startswith("Amazon Pay emulator")
            yield ready
        finally:
            process.kill()


def test_each_changed_row_is_found(here: Path, other_emulator: Path) -> None:
    """By the ids of its claims, and nothing that is not there: the other side is another process with other rows."""
    assert len(CHANGED) >= 30
    facts = json.loads(other_emulator.read_text("utf-8"))
    keys = load(facts["privateKeyFile"], facts["publicKeyId"])
    with closing(Control.of(other_emulator)) as control:
        there = Target(facts["url"], "na", keys, facts["merchantId"], facts["storeId"])
        there = there._replace(wait=lambda seconds: ClockControl(control).advance(seconds=int(seconds) + 1))
        comparison = recordings.compare(recordings.read(here), record(there, say=lambda text: None))
    found = {row["id"] for row in comparison["different"]}
    expected = {claim for row in CHANGED for claim in row["ids"]}
    assert (found - expected, expected - found) == (set(), set())
    assert all(row["here"].keys() == row["there"].keys() for row in comparison["different"])
    elsewhere = ["charge.conversion", "charge.conversion-when", "session.presentment-follows"]
    assert comparison["notReached"] == ["amount.other-ceilings", "amount.yen-zeros", *elsewhere]


def test_a_probe_is_asked_once_and_in_part(tmp_path: Path) -> None:
    """An interrupted recording goes on: what it holds is not sent again, what was skipped is."""
    path, lines = tmp_path / "part.json", list[str]()
    with target(None, "eu") as emulator:
        record(emulator, buyer="none", out=path, only=("dates", "wallet"), say=lines.append)
        first = recordings.read(path)
        record(emulator, out=path, only=("dates", "wallet", "keys"), say=lines.append)
        second = recordings.read(path)
        record(emulator, out=path, only=("dates", "keys"), say=lines.append)
        with pytest.raises(ConfigurationError, match="another place"):
            record(emulator._replace(region="na"), out=path, say=lines.append)
    assert lines.pop() == f"{path} holds all of these probes, so none is sent; give another file to send them again."
    assert [line.partition(":")[2] for line in lines] == [
        " Dates, on time and not", " A wallet is set up outside of the purchase flow",
        " Keys and signatures that are not accepted", " A wallet is set up outside of the purchase flow",
    ]  # fmt: skip
    assert [(row["id"], row["status"], row.get("why")) for row in first["probes"]] == [
        ("dates", "recorded", None), ("wallet", "skipped", "It needs a buyer."),
    ]  # fmt: skip
    assert [(row["id"], row["status"]) for row in second["probes"]] == [
        ("dates", "recorded"), ("keys", "recorded"), ("wallet", "recorded"),
    ]  # fmt: skip
    assert second["recordedAt"] == first["recordedAt"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_probe_that_ended_halfway_is_asked_again(tmp_path: Path) -> None:
    """The file says why it ended; the same command sends it anew."""
    path, rows = tmp_path / "part.json", list[tuple[object, ...]]()
    with Emulator("na", seed=7) as emulator:
        emulator.inject_fault("createCheckoutSession", "status", status=500)
        for _ in range(2):
            (row,) = record(of_emulator(emulator), out=path, only=("session",), say=lambda text: None)["probes"]
            rows.append((row["status"], row.get("why"), len(row["seen"])))
    assert rows == [("skipped", "Step 2 needs what no answer has brought.", 1), ("recorded", None, 2)]


def test_another_edition_of_a_probe_is_not_compared(here: Path) -> None:
    """Its third step may be our second: what only it shows was not reached."""
    now, text = recordings.read(here), here.read_text("utf-8")
    older = json.loads(text.replace(probes()["dates"].edition, "older").replace('"status": 404', '"status": 405'))
    comparison = recordings.compare(now, older)
    assert "header.date-extended" in comparison["notReached"]
    assert "header.date-skew" in comparison["notReached"]


def test_an_account_in_pounds_is_asked_in_pounds() -> None:
    """And a region's accounts have its currencies."""
    with target(None, "eu") as emulator:
        recording = record(emulator, only=("wallet", "charge"), currency="GBP", say=lambda text: None)
        with pytest.raises(ConfigurationError, match="No account is kept in USD there"):
            record(emulator, currency="USD", say=lambda text: None)
    assert recordings.claimed(recording)["different"] == []
    assert recording["target"] == {"environment": "emulator", "region": "eu", "currency": "GBP"}


def test_a_probe_that_was_changed_is_asked_again(tmp_path: Path) -> None:
    """Its edition says so."""
    path, lines = tmp_path / "part.json", list[str]()
    with target(None, "na") as emulator:
        record(emulator, out=path, only=("dates",), say=lines.append)
        path.write_text(path.read_text("utf-8").replace(probes()["dates"].edition, "older"), "utf-8")
        record(emulator, out=path, only=("dates",), say=lines.append)
    assert len(lines) == 2


def test_the_calls_stay_below_the_quotas() -> None:
    """An emulator that enforces them refuses nothing, and the page says how many minutes it takes."""
    with Emulator("na", seed=7, throttle=True) as emulator:
        start = emulator.clock.now()
        recording = record(of_emulator(emulator), say=lambda text: None)
        minutes = (emulator.clock.now() - start).total_seconds() / 60
    assert recordings.claimed(recording)["different"] == []
    assert "TooManyRequests" not in json.dumps(recording)
    assert 10 < minutes < 20, "docs/recording.md says less than twenty minutes"


def test_nothing_of_the_account_or_the_buyer_is_kept(here: Path) -> None:
    """Ids of the account have names, those of objects have zeros for digits, and people's data are masked."""
    text = here.read_text("utf-8")
    with Emulator("na", seed=7) as emulator:
        merchant = emulator.merchant
    secrets = [merchant.merchant_id, merchant.store_id, merchant.public_key_id, "Ada", "ada@", "98101", "Sample Way"]
    assert [secret for secret in secrets if secret in text] == []
    answers = [step["answer"] for row in json.loads(text)["probes"] for step in row["seen"]]
    assert redact(answers) == answers
    assert {number[:12] for number in re.findall(r"[A-Z]\d\d-(\d{7}-\d{7})", text)} == {"0000000-0000"}
    assert not re.search(r"\d{8}T\d{6}Z|127\.0\.0\.1:\d", text)


def test_a_person_is_told_what_to_do_and_waited_for() -> None:
    """The address leads to a page of a shop of our own; whoever comes back from there goes on."""
    with target(None, "na") as emulator, ThreadPoolExecutor(1) as person, http_client() as browser:
        lines: list[str] = []

        def say(line: str) -> None:
            lines.append(line)
            if address := re.search(r"http://\S+", line):
                person.submit(lambda: buyer.arrive(buyer.approve(address[0], http=browser), http=browser))

        recording = record(emulator, buyer="you", only=("both-addresses",), say=say)
    assert recordings.claimed(recording)["equal"] == ["setup.both-addresses"]
    assert "Choose the card that succeeds" in lines[1]


@pytest.mark.parametrize(
    ("address", "key_id", "message"),
    [
        ("https://pay-api.amazon.com", "LIVE-AFVX7ULWSGBZ5535PCUQOY7B", "moves real money"),
        ("https://pay-api.example", "SANDBOX-AFVX7ULWSGBZ5535PCUQOY7B", "neither Amazon's nor on this machine"),
        ("http://pay-api.amazon.com", "SANDBOX-AFVX7ULWSGBZ5535PCUQOY7B", "neither Amazon's nor on this machine"),
        ("http://[::1", "SANDBOX-AFVX7ULWSGBZ5535PCUQOY7B", "neither Amazon's nor on this machine"),
        ("http://127.0.0.1:port", "SANDBOX-AFVX7ULWSGBZ5535PCUQOY7B", "neither Amazon's nor on this machine"),
        ("https://pay-api.amazon.jp/live", "SANDBOX-AFVX7ULWSGBZ5535PCUQOY7B", "neither Amazon's nor"),
        ("https://pay-api.amazon.jp", "", "AMAZON_PAY_PUBLIC_KEY_ID is not set"),
    ],
)
def test_only_the_sandbox_is_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, address: str, key_id: str, message: str
) -> None:
    """Live is refused before anything is sent, and so is an address that is neither Amazon's nor of this machine."""
    save(generate(), tmp_path / "key.pem")
    account = {
        "PRIVATE_KEY_FILE": str(tmp_path / "key.pem"),
        "PUBLIC_KEY_ID": key_id,
        "MERCHANT_ID": "M",
        "STORE_ID": "S",
    }
    for name, value in account.items():
        monkeypatch.setenv(f"AMAZON_PAY_{name}", value)
    result = CliRunner().invoke(main, ["parity", "--base-url", address])
    assert result.exit_code == 2
    assert message in result.output


def test_an_account_takes_the_region_of_its_address(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """And a script does not play on Amazon's own pages."""
    save(generate(), tmp_path / "key.pem")
    account = {"PRIVATE_KEY_FILE": str(tmp_path / "key.pem"), "PUBLIC_KEY_ID": "SANDBOX-AFVX7ULWSGBZ5535PCUQOY7B"}
    for name, value in (account | {"MERCHANT_ID": "M", "STORE_ID": "S"}).items():
        monkeypatch.setenv(f"AMAZON_PAY_{name}", value)
    with target("https://pay-api.amazon.jp/", "na") as there:
        assert (there.region, there.url, there.environment) == ("jp", "https://pay-api.amazon.jp", "sandbox")
        with pytest.raises(ConfigurationError, match="script cannot play"):
            record(there, buyer="script", say=lambda text: None)


def test_no_probe_changes_anything_in_live() -> None:
    """The one that names the environment only reads, and with a key of the Sandbox alone."""
    live = [step.send for probe in probes().values() for step in probe.steps if re.search(r"\Wlive\b", step.send)]
    assert [send.partition("/")[0] for send in live] == ["GET $live"]


def test_an_emulator_at_an_address_is_asked_like_the_sandbox(
    monkeypatch: pytest.MonkeyPatch, other_emulator: Path
) -> None:
    """With the account of the environment, whose key may have no prefix."""
    ready = json.loads(other_emulator.read_text("utf-8"))
    names = {"PRIVATE_KEY_FILE": "privateKeyFile", "MERCHANT_ID": "merchantId", "STORE_ID": "storeId"}
    for name, key in (names | {"PUBLIC_KEY_ID": "neutralPublicKeyId"}).items():
        monkeypatch.setenv(f"AMAZON_PAY_{name}", ready[key])
    only = ["--only", "bad-json", "--only", "key-and-path"]
    result = CliRunner().invoke(main, ["parity", "--base-url", ready["url"], *only, "--json"])
    comparison = json.loads(result.stdout)
    assert comparison["different"] == []
    assert comparison["equal"] == ["error.bad-json", "header.key-path-agree", "signing.environment-in-path"]
    assert "header.key-path-disagree" in comparison["notReached"]


def test_the_page_links_what_was_recorded(here: Path, tmp_path: Path) -> None:
    """What an emulator answered confirms nothing; what the Sandbox answered is beside its claim."""
    folder = tmp_path / "recordings"
    folder.mkdir()
    recording = recordings.read(here)
    (folder / "emulator.json").write_text(json.dumps(recording), "utf-8")
    assert regenerate.recorded(folder)["header.missing"] == "not yet: `header-missing`"
    text = json.dumps(
        recording | {"recordedAt": "2026-12-01T", "target": recording["target"] | {"environment": "sandbox"}}
    )
    (folder / "na.json").write_text(text, "utf-8")
    differs = next(step for row in recording["probes"] for step in row["seen"] if "header.missing" in step["shows"])
    differs["shows"]["header.missing"]["status"] = 401
    place = {"environment": "sandbox", "region": "eu", "currency": "EUR"}
    there = {"target": place, "recordedAt": "2026-12-02T"}
    (folder / "eu.json").write_text(json.dumps(recording | there), "utf-8")
    shown = regenerate.recorded(folder)
    one, other = "[as claimed (na, 2026-12-01)](recordings/na.json)", "[{} (eu, 2026-12-02)](recordings/eu.json)"
    assert shown["id.session"] == f"{other.format('as claimed')}; {one}"
    assert shown["header.missing"] == f"{other.format('otherwise')}; {one}"


def test_a_file_that_is_no_recording_is_refused(tmp_path: Path) -> None:
    """With a sentence."""
    row = {"id": "dates", "edition": probes()["dates"].edition, "seen": [{"shows": {"header.date-basic": 1}}]}
    odd = json.dumps({"target": {"region": "na", "currency": "USD"}, "probes": [row]})
    no_seen = json.dumps({"target": {"region": "na", "currency": "USD"}, "probes": [{"id": "dates", "edition": 0}]})
    (tmp_path / "y.json").write_text(no_seen, "utf-8")
    assert recordings.claimed(recordings.read(tmp_path / "y.json"))["different"] == []
    for text in ("{", "[]", '{"probes": 1}', '{"probes": [{}]}', '{"probes": []}', odd, "[" * 100_000):
        (tmp_path / "x.json").write_text(text, "utf-8")
        result = CliRunner().invoke(main, ["parity", "--compare", str(tmp_path / "x.json")])
        assert (result.exit_code, "is no recording of probes" in result.output) == (2, True)
    result = CliRunner().invoke(main, ["parity", "--compare", str(tmp_path / "y.json"), "--only", "dates"])
    assert (result.exit_code, "0 equal, 0 different" in result.stdout) == (1, True), "nothing was compared"
    result = CliRunner().invoke(main, ["parity", "--only", "date"])
    assert (result.exit_code, "There is no probe 'date'" in result.output) == (2, True)


def test_an_interruption_loses_one_probe_at_most(tmp_path: Path) -> None:
    """What was recorded before is in the file, and the same command goes on with the probe that was interrupted."""
    path, lines = tmp_path / "part.json", list[str]()

    def interrupt(line: str) -> None:
        lines.append(line)
        if len(lines) == 3:
            raise KeyboardInterrupt

    only = ("dates", "keys", "bad-json", "header-missing")
    with target(None, "na") as emulator:
        with pytest.raises(KeyboardInterrupt):
            record(emulator, out=path, only=only, say=interrupt)
        assert len(recordings.read(path)["probes"]) == 2
        lines.clear()
        recording = record(emulator, out=path, only=only, say=lines.append)
    assert [line[:6] for line in lines] == ["3 of 4", "4 of 4"]
    assert [row["status"] for row in recording["probes"]] == ["recorded"] * 4


def test_a_place_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With what to do; the file holds what was seen before."""
    save(generate(), tmp_path / "key.pem")
    account = {"PRIVATE_KEY_FILE": str(tmp_path / "key.pem"), "PUBLIC_KEY_ID": "SANDBOX-AFVX7ULWSGBZ5535PCUQOY7B"}
    for name, value in (account | {"MERCHANT_ID": "M", "STORE_ID": "S"}).items():
        monkeypatch.setenv(f"AMAZON_PAY_{name}", value)
    nobody = f"http://127.0.0.1:{port_for_another()}"
    result = CliRunner().invoke(main, ["parity", "--base-url", nobody, "--only", "dates"])
    assert result.exit_code == 2
    assert "There is no answer to GET /v2/charges/S01-0000000-0000000-C000000 (ConnectError)" in result.output
    assert "with --out it goes on from here" in result.output


@pytest.mark.parametrize("answer", ["endless", "packed wrongly", "nested"])
def test_a_place_may_answer_anything(answer: str) -> None:
    """What has no end, or cannot be unpacked, is no answer; the rest differs, and a cookie is not sent back."""
    cookies = list[str]()

    async def anything(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            cookies.extend(value for name, value in scope["headers"] if name == b"cookie")
            headers = [
                (b"set-cookie", b"a=\xff"),
                (b"content-encoding", b"gzip" if "packed" in answer else b"identity"),
            ]
            await send({"type": "http.response.start", "status": 201, "headers": headers})
            for more in [True] * (200 if answer == "endless" else 0) + [False]:
                await send({"type": "http.response.body", "body": b"[" * 100_000, "more_body": more})

    server = LoopbackServer(anything).start()
    there = Target(server.url, "na", with_id(generate(), "SANDBOX-A"), "M", "S", wait=lambda seconds: None)
    try:
        if answer == "nested":
            recording = record(there, only=("dates",), say=lambda text: None)
            assert recordings.claimed(recording)["different"]
        else:
            with pytest.raises(TransportError, match="There is no answer to GET"):
                record(there, only=("dates",), say=lambda text: None)
    finally:
        server.stop()
    assert not cookies
