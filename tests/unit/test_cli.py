"""The contracts that other programs rely on: commands, exit codes, the ready file and the last line."""

import json
import os
import re
import signal
import socket
import sqlite3
import ssl
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import RedirectResponse
from starlette.routing import Route

from amazonpay_nb.client import AmazonPayAuth, AmazonPayClient
from amazonpay_nb.loopback import LoopbackServer
from amazonpay_nb.rehearsal.ports import port_for_another
from amazonpay_nb.signing.keys import generate, load, save
from tests.emulated import SET_UP
from tests.processes import PATIENCE, until

COMMAND = (sys.executable, "-c", "from amazonpay_nb.cli import main; main()")
# As a policy of the system forbids them; Python imports a sitecustomize.py when it starts.
NO_CONNECTIONS = """import socket
class Forbidden(socket.socket):
    def connect(self, address):
        raise PermissionError(1, "Operation not permitted")
socket.socket = Forbidden
"""


def run(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, text=True, check=False, **options)


@contextmanager
def emulator(folder: Path, *arguments: str) -> Iterator[dict[str, Any]]:
    """Run the emulator as a process and give what its ready file says."""
    ready = folder / "ready.json"
    process = subprocess.Popen(
        [*COMMAND, "emulator", "--ready-file", str(ready), *arguments], stdout=subprocess.DEVNULL
    )
    try:
        assert until(lambda: ready.exists() or process.poll() is not None), "the emulator does not become ready"
        assert process.poll() is None, "the emulator ended"
        yield json.loads(ready.read_text()) | {"process": process}
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)
        ready.unlink(missing_ok=True)


def client(ready: dict[str, Any], key: str = "publicKeyId", **options: Any) -> AmazonPayClient:
    auth = AmazonPayAuth(load(ready["privateKeyFile"], ready[key]))
    return AmazonPayClient(auth, region=ready["region"], environment="emulator", base_url=ready["url"], **options)


def new_session(ready: dict[str, Any], **body: Any) -> str:
    with client(ready) as amazon_pay:
        from pydantic.alias_generators import to_snake

        fields = {to_snake(name): value for name, value in (SET_UP | {"storeId": ready["storeId"]} | body).items()}
        return amazon_pay.create_checkout_session(**fields).checkout_session_id


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """One emulator process for the tests that only talk to it."""
    with emulator(tmp_path_factory.mktemp("emulator"), "--region", "eu", "--seed", "3") as answer:
        yield answer


def test_a_proxy_with_an_endpoint_for_notifications(tmp_path: Path) -> None:
    """Both from the start, and the ready file says where the proxy is and whom to trust."""
    url = "http://127.0.0.1:9/news"
    with emulator(tmp_path, "--proxy", "--notify", url, "--region", "jp") as ready:
        with httpx.Client(
            proxy=ready["proxyUrl"], verify=ssl.create_default_context(cafile=ready["proxyCaFile"]), trust_env=False
        ) as http:
            assert http.get("https://pay-api.amazon.jp/v2/charges/x").json()["reasonCode"] == "MissingHeader"
        new_session(ready)
        assert ready["caFile"] is None
        done = run("control", "notify", "--ready-file", tmp_path / "ready.json")
        assert json.loads(done.stdout) == {"notifications": []}
    for wrong in ("https://127.0.0.1:9/", "http://shop.example/", "nowhere"):
        done = run("emulator", "--notify", wrong)
        assert (done.returncode, wrong in done.stderr) == (2, True)


def test_the_ready_file_holds_what_a_program_needs(ready: dict[str, Any]) -> None:
    """The keys are those of the contract, and both ids work with the one key pair."""
    assert set(ready) - {"process"} == {
        "url", "caFile", "region", "merchantId", "storeId", "publicKeyId", "neutralPublicKeyId", "privateKeyFile",
        "controlUrl", "controlToken", "otherMerchant",
    }  # fmt: skip
    assert set(ready["otherMerchant"]) == {"merchantId", "storeId", "publicKeyId", "privateKeyFile"}
    assert stat.S_IMODE(Path(ready["privateKeyFile"]).stat().st_mode) == 0o600
    for key in ("publicKeyId", "neutralPublicKeyId"):
        with client(ready, key) as amazon_pay:
            session = amazon_pay.get_checkout_session(new_session(ready))
            assert session.state == "Open"


def test_a_seed_makes_time_virtual(ready: dict[str, Any]) -> None:
    """Virtual time starts where the contract says, and moves when it is told to."""
    headers = {"Authorization": f"Bearer {ready['controlToken']}"}
    clock = f"{ready['controlUrl']}/clock"

    before = httpx.get(clock, headers=headers).json()
    after = httpx.post(clock, headers=headers, json={"advance": "PT0S"}).json()

    assert before == {"now": "2026-01-15T12:00:00Z", "mode": "virtual"}
    assert after == before | {"fired": []}


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_run_survives_an_output_that_knows_few_characters(tmp_path: Path, encoding: str) -> None:
    """The progress line and the table hold more than such a log can take."""
    done = run("run", "00", "--out", tmp_path, env=os.environ | {"PYTHONIOENCODING": encoding})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout


@pytest.mark.parametrize(
    ("action", "state", "reason"), [("approve", "Open", None), ("cancel", "Canceled", "BuyerCanceled"),
                                    ("decline", "Canceled", "Declined")]
)  # fmt: skip
def test_the_buyers_last_line_is_the_merchants_address(
    ready: dict[str, Any], action: str, state: str, reason: str | None
) -> None:
    """What the buyer did is in the session; where they were sent to is the last line."""
    session_id = new_session(ready)
    done = run("buyer", action, f"{ready['url']}/checkout?amazonCheckoutSessionId={session_id}")

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"https://shop.example/result?amazonCheckoutSessionId={session_id}"
    with client(ready) as amazon_pay:
        session = amazon_pay.get_checkout_session(session_id)
    assert (session.state, session.reason_code) == (state, reason)


def test_a_shop_that_does_not_listen_still_gets_its_buyers_address(ready: dict[str, Any]) -> None:
    """The buyer's part is done, and the address is what the shop's engineer asked for."""
    nobody = f"http://localhost:{port_for_another()}/result"
    session_id = new_session(ready, webCheckoutDetails={"checkoutResultReturnUrl": nobody})
    done = run("buyer", "approve", f"{ready['url']}/checkout?amazonCheckoutSessionId={session_id}")

    assert done.returncode == 0, done.stderr
    note, address = done.stdout.splitlines()
    assert note == "The buyer is done, but the shop's address does not open (ConnectError):"
    assert address == f"{nobody}?amazonCheckoutSessionId={session_id}"


def test_a_shop_that_leads_into_an_app_still_gets_its_buyers_address(ready: dict[str, Any]) -> None:
    """No program here can follow it there."""
    into_an_app = RedirectResponse("myshop:done", 302)
    server = LoopbackServer(Starlette(routes=[Route("/result", lambda _: into_an_app)])).start()
    try:
        session_id = new_session(ready, webCheckoutDetails={"checkoutResultReturnUrl": f"{server.url}/result"})
        done = run("buyer", "approve", f"{ready['url']}/checkout?amazonCheckoutSessionId={session_id}")
    finally:
        server.stop()
    assert done.returncode == 0, done.stderr
    note, address = done.stdout.splitlines()
    assert note == "The buyer is done, but the shop's address does not open (RemoteProtocolError):"
    assert address == f"{server.url}/result?amazonCheckoutSessionId={session_id}"


def test_a_buyer_with_a_second_card_recovers(ready: dict[str, Any]) -> None:
    """`approve --card 9995 --then 1111` ends in a wallet."""
    session_id = new_session(ready)
    url = f"{ready['url']}/checkout?amazonCheckoutSessionId={session_id}"
    done = run("buyer", "approve", url, "--card", "9995", "--then", "1111")

    assert done.returncode == 0, done.stderr
    with client(ready) as amazon_pay:
        assert amazon_pay.complete_checkout_session(session_id).state == "Completed"


def test_a_buyer_at_a_wrong_address_ends_with_one_message(ready: dict[str, Any]) -> None:
    """Exit code 2, what is wrong, what to do, and no traceback."""
    done = run("buyer", "approve", f"{ready['url']}/checkout?amazonCheckoutSessionId=unknown")

    assert done.returncode == 2
    assert "There is no such checkout" in done.stderr
    assert "Traceback" not in done.stderr


def test_https_has_an_authority_of_its_own(tmp_path: Path) -> None:
    """The certificate verifies against the file that the ready file names, and the buyer gets through."""
    import ssl

    with emulator(tmp_path, "--https") as ready:
        verify = ssl.create_default_context(cafile=ready["caFile"])
        with client(ready, verify=verify) as amazon_pay:
            session = amazon_pay.create_checkout_session(
                store_id=ready["storeId"], web_checkout_details=SET_UP["webCheckoutDetails"]
            )
        url = f"{ready['url']}/checkout?amazonCheckoutSessionId={session.checkout_session_id}"
        done = run("buyer", "cancel", url)
        assert done.returncode == 0, done.stderr


def test_a_polite_kill_leaves_no_key_behind(tmp_path: Path) -> None:
    """The keys of an in-memory world go with it."""
    with emulator(tmp_path) as ready:
        path = Path(ready["privateKeyFile"])
        assert path.exists()
    assert not path.exists()


def test_a_store_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """The same command finds account, keys, objects, clock and the position of the ids."""
    arguments = ("--store", str(tmp_path / "world.db"), "--seed", "5")
    with emulator(tmp_path, *arguments) as first:
        session_id = new_session(first)
        headers = {"Authorization": f"Bearer {first['controlToken']}"}
        httpx.post(f"{first['controlUrl']}/clock", headers=headers, json={"advance": "PT1H"})
    with emulator(tmp_path, *arguments) as second:
        same = ("merchantId", "storeId", "publicKeyId", "privateKeyFile", "otherMerchant")
        assert [second[name] for name in same] == [first[name] for name in same]
        with client(second) as amazon_pay:
            assert amazon_pay.get_checkout_session(session_id).state == "Open"
        assert new_session(second) != session_id
        headers = {"Authorization": f"Bearer {second['controlToken']}"}
        assert httpx.get(f"{second['controlUrl']}/clock", headers=headers).json()["now"] == "2026-01-15T13:00:00Z"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--host", "192.0.2.1"], "loopback only"),
        (["--region", "us"], "'na', 'eu', 'jp'"),
        (["--clock", "yesterday"], "neither 'real' nor a time"),
        (["--clock", "0001-01-01T00:00:00+14:00"], "neither 'real' nor a time"),
        (["--clock", "9999-12-31T00:00:00Z"], "years 1970 to 9000"),
        (["--port", "70000"], "70000"),
        (["--store", "/nowhere/world.db"], "world.db"),
    ],
)
def test_a_wrong_option_is_usage(arguments: list[str], message: str) -> None:
    """Exit code 2 and one message."""
    done = run("emulator", *arguments)

    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", [["emulator", "--clock", "9999-12-31T00:00:00Z"], ["demo", "nothing"]])
def test_a_ready_file_of_an_earlier_run_is_not_taken_for_this_one(command: list[str], tmp_path: Path) -> None:
    """It goes when the command starts, however that ends; a folder of the name is left alone."""
    ready = tmp_path / "ready.json"
    for text in (
        f'{{"url": "http://127.0.0.1:{port_for_another()}"}}',
        '{"url": "http://[::1"}',
        '{"url": 1}',
        "[]",
        "[",
    ):
        ready.write_text(text)
        assert (run(*command, "--ready-file", ready).returncode, ready.exists()) == (2, False)
    assert run(*command, "--ready-file", tmp_path).returncode == 2


@pytest.mark.parametrize("command", [["emulator", "--clock", "9999-12-31T00:00:00Z"], ["demo", "nothing"]])
def test_a_ready_file_of_a_running_emulator_stays(command: list[str], tmp_path: Path, ready: dict[str, Any]) -> None:
    """A second one that cannot start takes nothing from the first."""
    file = tmp_path / "ready.json"
    file.write_text(json.dumps(text := {"url": ready["url"]}))
    assert (run(*command, "--ready-file", file).returncode, json.loads(file.read_text())) == (2, text)


def test_a_ready_file_goes_with_its_emulator(tmp_path: Path) -> None:
    """So that nobody waits for one that is gone; what another has written in its place stays."""
    for written, stays in ((None, False), ('{"url": "http://127.0.0.1:9"}', True)):
        with emulator(tmp_path) as running:
            if written:
                (tmp_path / "ready.json").write_text(written)
            running["process"].terminate()
            assert (running["process"].wait(PATIENCE), (tmp_path / "ready.json").exists()) == (0, stays)


def test_a_ready_file_goes_with_its_stage(tmp_path: Path) -> None:
    """As that of an emulator does."""
    ready = tmp_path / "stage.json"
    process = subprocess.Popen(
        [*COMMAND, "demo", "--no-browser", "--ready-file", str(ready)], stdout=subprocess.DEVNULL
    )
    try:
        assert until(lambda: ready.exists() or process.poll() is not None)
    finally:
        process.terminate()
    assert (process.wait(PATIENCE), ready.exists()) == (143, False)


def test_a_file_that_is_no_store_is_left_alone(tmp_path: Path) -> None:
    """A file of another kind is named, and keeps its content."""
    path = tmp_path / "holiday.txt"
    path.write_text("not a database, but somebody's notes\n" * 50)
    before = path.read_bytes()
    done = run("emulator", "--store", path)

    assert done.returncode == 2
    assert "holiday.txt" in done.stderr
    assert "Traceback" not in done.stderr
    assert path.read_bytes() == before


class TestStoreCheck:
    """What the command says of a store's file; it never writes."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> Path:
        """A store with a few objects, which an emulator that was killed has left beside its write-ahead log."""
        path = tmp_path / "world.db"
        with emulator(tmp_path, "--store", str(path), "--seed", "5") as ready:
            new_session(ready)
            ready["process"].kill()
            ready["process"].wait()
        assert path.with_name("world.db-wal").exists()
        return path

    def found(self, path: Path) -> tuple[int, list[str]]:
        """The exit code and the lines, of a check that changes nothing."""
        before = {file: (file.read_bytes(), file.stat()) for file in path.parent.iterdir() if file.is_file()}
        done = run("store", "check", path, cwd=path.parent)
        after = {file: (file.read_bytes(), file.stat()) for file in path.parent.iterdir() if file.is_file()}
        assert [(name, content, facts.st_mtime_ns, facts.st_mode) for name, (content, facts) in after.items()] == [
            (name, content, facts.st_mtime_ns, facts.st_mode) for name, (content, facts) in before.items()
        ]
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout.splitlines()

    def test_a_good_one(self, store: Path) -> None:
        """Owner, version, settings, integrity and records, with what the log beside it holds."""
        code, lines = self.found(store)
        assert re.fullmatch(r"✓ version \d+, with the tables that belong to it", lines.pop(1))
        assert (code, lines) == (
            0,
            [
                f"✓ {store} and what lies beside it are yours alone",
                "✓ region na, seed 5, clock 2026-01-15T12:00:00+00:00",
                "✓ SQLite's integrity check finds nothing wrong",
                "✓ can be read: 1 × Checkout Session, 1 × answer",
            ],
        )

    @pytest.mark.parametrize(
        ("change", "line"),
        [
            ("UPDATE objects SET notes = '{\"more\": 1}'", "✗ cannot be read: 1 × Checkout Session"),
            ("UPDATE objects SET document = '[7'", "✗ cannot be read: 1 × Checkout Session"),
            (
                "UPDATE objects SET document = replace(hex(zeroblob(50000)), '00', '[[')",
                "✗ cannot be read: 1 × Checkout Session",
            ),
            ("UPDATE objects SET document = '[]'", "✗ cannot be read: 1 × Checkout Session"),
            ("UPDATE objects SET document = '{}'", "✗ cannot be read: 1 × Checkout Session"),
            ("UPDATE objects SET notes = json_set(notes, '$.stay', '1')", "✗ cannot be read: 1 × Checkout Session"),
            ("UPDATE objects SET due = 'tomorrow'", "✗ cannot be read: 1 × Checkout Session"),
            ("UPDATE objects SET due = '2026-01-16T12:00:00'", "✗ cannot be read: 1 × Checkout Session"),
            ("UPDATE objects SET due = NULL", "✗ cannot be read: 1 × Checkout Session"),
            ("UPDATE objects SET trigger = NULL", "✗ cannot be read: 1 × Checkout Session"),
            ("UPDATE objects SET planned = 'soon'", "✗ cannot be read: 1 × Checkout Session"),
            ("UPDATE objects SET planned = 9223372036854775807", "✗ cannot be read: 1 × Checkout Session"),
            ("UPDATE objects SET document = '{\"amount\": NaN}'", "✗ cannot be read: 1 × Checkout Session"),
            ("UPDATE objects SET kind = 'Voucher'", "✗ cannot be read: 1 × Voucher"),
            ("UPDATE objects SET kind = char(10, 27) || '[2J✗ x'", r"✗ cannot be read: 1 × \n\x1b[2J✗ x"),
            ("UPDATE answers SET body = '{'", "✗ cannot be read: 1 × answer"),
            ("UPDATE settings SET value = 'x' WHERE name = 'drawn'", "✗ its settings are not those of this program"),
            ("DROP INDEX objects_by_parent", "✗ its tables are not those of this program"),
            ("PRAGMA user_version = 9", "✗ another program, or another version of this one, has written it"),
        ],
    )
    def test_a_wrong_one(self, store: Path, change: str, line: str) -> None:
        """Each line that is wrong begins with a cross, and the exit code is 1."""
        with closing(sqlite3.connect(store)) as other, other:
            other.executescript(change)
        code, lines = self.found(store)
        assert code == 1
        assert [text for text in lines if text[0] == "✗"] == [line]

    def test_a_damaged_one(self, store: Path) -> None:
        """Pages that somebody overwrote; the tables are still there."""
        with closing(sqlite3.connect(store)) as other:
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            pages = [page for (page,) in other.execute("SELECT rootpage FROM sqlite_master WHERE name = 'objects'")]
        with store.open("r+b") as file:
            file.seek((pages[0] - 1) * 2048)
            file.write(b"\xff" * 2048)
        code, lines = self.found(store)
        assert code == 1
        assert any(line.startswith(("✗ SQLite's integrity check finds", "✗ it cannot be read")) for line in lines)

    @pytest.mark.parametrize(
        ("end", "offset", "count", "why"),
        [("-wal", 24, 1, "{path}-wal is damaged"), ("-wal", 20, 4, "{path}-wal is damaged"),
         ("-wal", 40, 1, "{path}-wal is damaged"), ("-wal", 32 + 3 * 2072, 4096, "{path}-wal is damaged"),
         ("", 0, 0, "{path}-wal is damaged"), ("-wal", 0, 0, "its journal {path}-wal is not beside it, or empty")],
    )  # fmt: skip
    def test_one_that_has_lost_its_journal(self, store: Path, end: str, offset: int, count: int, why: str) -> None:
        """A log that SQLite would delete, or read in part, or a file that somebody emptied: no new world begins."""
        with store.with_name(f"{store.name}{end}").open("r+b") as file:
            file.seek(offset)
            other = bytes(255 - byte for byte in file.read(count))  # whatever they were, they are others now
            file.seek(offset)
            file.write(other) if count else file.truncate()
        code, lines = self.found(store)
        assert (code, [line for line in lines if line.startswith("✗ " + why.format(path=store))]) == (1, lines[-1:])
        before = {path.name: path.read_bytes() for path in store.parent.iterdir() if path.is_file()}
        done = run("emulator", "--store", store, timeout=PATIENCE)
        assert (done.returncode, why.format(path=store) in done.stderr) == (2, True)
        assert {path.name: path.read_bytes() for path in store.parent.iterdir() if path.is_file()} == before
        if end:  # what can be read is kept by the command that it names
            kept = done.stderr.partition(" keep what can be read: ")[2].partition("); choose")[0]
            subprocess.run(["sh", "-c", kept], check=count > 0, stderr=subprocess.DEVNULL)
            left = [line for line in self.found(store)[1] if line.startswith("✗")]
            assert left == [] or "it is empty" in left[0]

    def test_a_journal_without_its_file(self, store: Path) -> None:
        """All of a world may be in it; only its owner deletes it, and then a new world begins."""
        store.unlink()
        done = run("emulator", "--store", store, timeout=PATIENCE)
        log = store.with_name("world.db-wal")
        assert (done.returncode, f"{log} is damaged" in done.stderr, store.exists()) == (2, True, False)
        log.unlink()
        with emulator(store.parent, "--store", str(store), "--seed", "5") as ready:
            assert new_session(ready)

    def test_a_file_of_another_kind(self, tmp_path: Path) -> None:
        """It is named, and so is one that others can read; a pipe is not waited for."""
        notes = tmp_path / "holiday.txt"
        notes.write_text("not a database, but somebody's notes\n" * 50)
        notes.chmod(0o644)
        assert self.found(notes) == (
            1,
            [f"✗ {notes} is open to other users: chmod go= {notes}, if its content is yours"],
        )
        notes.chmod(0o600)
        assert self.found(notes)[1][1:] == ["✗ it cannot be read: file is not a database"]
        os.mkfifo(pipe := tmp_path / "pipe")
        assert run("store", "check", pipe, timeout=PATIENCE).stdout == f"✗ {pipe} is no file\n"

    def test_one_that_cannot_be_checked(self, tmp_path: Path) -> None:
        """No file, a folder, or one that an emulator is using: exit code 2 and a sentence."""
        for path, why in ((tmp_path / "absent.db", "does not exist"), (tmp_path, "is a directory")):
            done = run("store", "check", path)
            assert (done.returncode, why in done.stderr) == (2, True)
        with emulator(tmp_path, "--store", str(tmp_path / "world.db"), "--seed", "5"):
            done = run("store", "check", tmp_path / "world.db")
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == f"{tmp_path / 'world.db'}: an emulator is using it; stop that first\n"


def test_a_busy_port_is_named(tmp_path: Path) -> None:
    """The message says which, and how to get a free one; a store is not touched."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run("emulator", "--port", port, "--store", tmp_path / "world.db")

    assert done.returncode == 2
    assert f"Port {port}" in done.stderr
    assert "choose another port (0 takes a free one) or host" in done.stderr
    assert not (tmp_path / "world.db").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-p", "regoin", "eu"], "Did you mean region?"),
        (["-p", "region", "uk"], "Choose one of na, eu, jp"),
        (["-p", "amount", "14.005"], "too many decimals"),
        (["-p", "environment", "live"], "Choose emulator or sandbox"),
        (["-p", "environment", "sandbox"], "A script cannot play the buyer"),
        (["-p", "region", "na", "-p", "region", "eu"], "The parameter region is given twice: 'na' and 'eu'"),
        (["-p", "region=eu", "--offline"], "Write a space for the equals sign: -p region VALUE."),
        (["-p", "environment", "sandbox", "-p", "buyer", "you"], "AMAZON_PAY_PRIVATE_KEY_FILE is not set"),
        (["-p", "buyer", "you"], "nobody sits before a run.\nRun it with -p buyer script"),
        (["-p", "amount", "0.01"], "Choose from 0.10 to 750.00 USD"),
        (["-p", "amount", "99999999", "-p", "region", "jp"], "Choose from 2 to 100000 JPY"),
        (["-p", "seed", "seven"], "choose a whole number"),
        (["-p", "region", "eu", "-p", "currency", "JPY"], "'JPY' is not a ledger currency of this region"),
        (["99_not_there"], "99_not_there"),
    ],
)
def test_a_wrong_parameter_runs_nothing(tmp_path: Path, arguments: list[str], message: str) -> None:
    """Exit code 2, before a kernel is started or a file is written."""
    done = run("run", *arguments, "--out", tmp_path / "out")

    assert done.returncode == 2
    assert message in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["run", "export"])
def test_a_copy_that_is_saved_for_a_person_is_not_waited_for(tmp_path: Path, command: str) -> None:
    """It says at once with which parameter it runs; with that one, it does."""
    copy = tmp_path / "mine.ipynb"
    original = Path("notebooks/00_start_here.ipynb").read_text("utf-8")
    copy.write_text(original.replace('buyer: str = \\"auto\\"', 'buyer: str = \\"you\\"'), "utf-8")
    refused = run(command, copy, "-p", "region", "na", "--out", tmp_path / "out")
    assert (refused.returncode, "Run it with -p buyer script" in refused.stderr) == (2, True)
    assert not (tmp_path / "out").exists()

    done = run(command, copy, "-p", "buyer", "script", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_run_leaves_its_whole_report(tmp_path: Path) -> None:
    """A parameterized run of notebook 01 in Europe: files, exit code and the recorded objects."""
    done = run("run", "01", "-p", "region", "eu", "-p", "amount", "9.99", "--out", tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr
    stem = "01_set_up_outside_the_purchase_flow"
    expected = {f"{stem}.ipynb", f"{stem}.html", f"{stem}.journal.jsonl", "report.html", "junit.xml", "summary.json"}
    assert {path.name for path in tmp_path.iterdir()} == expected
    summary = json.loads((tmp_path / "summary.json").read_text())
    (only,) = summary["runs"]
    assert (summary["passed"], summary["failed"], only["status"], only["error"]) == (1, 0, "passed", None)
    assert only["parameters"] == {"region": "eu", "amount": "9.99"}
    states = {"chargePermissionState": "Chargeable", "chargeState": "Captured", "refundState": "Refunded"}
    assert states.items() <= only["result"].items()
    assert re.fullmatch(r"C02-\d{7}-\d{7}", only["result"]["chargePermissionId"])
    assert {claim["ok"] for claim in only["claims"]} == {True}
    assert "9.99" in (tmp_path / f"{stem}.ipynb").read_text()
    journal = [json.loads(line) for line in (tmp_path / f"{stem}.journal.jsonl").read_text("utf-8").splitlines()]
    operations = [entry["operation"] for entry in journal if entry["kind"] == "exchange"]
    assert operations[:2] == ["getCheckoutSession", "completeCheckoutSession"]


def test_a_setting_that_a_notebook_leaves_alone_is_given_to_its_workbench(tmp_path: Path) -> None:
    """Pounds, a language and other ids: one run of a notebook without such parameters."""
    settings = {"region": "eu", "currency": "GBP", "language": "de_DE", "merchant_name": "Corner Shop", "seed": "11"}
    arguments = [text for pair in settings.items() for text in ("-p", *pair)]
    done = run("run", "01", *arguments, "--out", tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr
    (only,) = json.loads((tmp_path / "summary.json").read_text())["runs"]
    assert only["parameters"] == settings
    assert "14.00 GBP" in (tmp_path / "01_set_up_outside_the_purchase_flow.ipynb").read_text()


def test_a_run_with_a_broken_notebook_says_so_by_its_exit_code(tmp_path: Path) -> None:
    """1, and the reason on the terminal; the report is written all the same."""
    path = tmp_path / "broken.ipynb"
    cell = {"id": "a", "cell_type": "code", "source": "1 / 0", "metadata": {}, "outputs": [], "execution_count": None}
    path.write_text(json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    done = run("run", path, "--out", tmp_path / "out")

    assert done.returncode == 1, done.stderr
    assert "ZeroDivisionError" in done.stdout
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["failed"] == 1


def test_a_run_leaves_nothing_in_the_temporary_folder(tmp_path: Path) -> None:
    """A kernel is killed at its end, and its emulated key must not stay behind."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    done = run("run", "00", "--out", tmp_path / "out", env=os.environ | {"TMPDIR": str(temporary)})

    assert done.returncode == 0, done.stderr
    assert not list(temporary.rglob("*.pem"))


def test_no_secret_reaches_a_report(tmp_path: Path) -> None:
    """Nothing that a run writes holds a key, a signature or a buyer's data."""
    assert run("run", "--out", tmp_path).returncode == 0
    for path in tmp_path.iterdir():
        text = path.read_text("utf-8")
        if path.suffix == ".html":  # a page brings pictures and styles as base64
            text = re.sub(r"data:[\w/+.-]+;base64,[\w+/=]+", "", text)
        assert "PRIVATE KEY" not in text, path
        assert not re.search(r"[A-Za-z0-9+/]{120,}={0,2}", text), path
        assert not re.search(r"[\w.]+@(?!2x)[\w-]+\.[a-z]{2,}|206-555-0100|1 Sample Way|Ada Example", text), path


def test_keys_are_made_shown_and_checked(tmp_path: Path) -> None:
    """The private half stays in its file."""
    path = tmp_path / "key.pem"
    made, shown, good = (
        run("keys", "new", path),
        run("keys", "show", path),
        run("keys", "check", path, "--id", "A" * 24),
    )

    assert (made.returncode, shown.returncode, good.returncode) == (0, 0, 0), good.stdout
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "BEGIN PUBLIC KEY" in shown.stdout
    assert "PRIVATE" not in made.stdout + shown.stdout + good.stdout
    again = run("keys", "new", path)
    assert again.returncode == 2
    assert "Traceback" not in again.stderr


def test_half_a_pair_is_not_left_behind(tmp_path: Path) -> None:
    """Where the public half cannot be written, the private one goes, so that the same command works later."""
    path, public = tmp_path / "key.pem", tmp_path / "key.pem.pub"
    public.touch()
    assert (run("keys", "new", path).returncode, path.exists()) == (2, False)
    public.unlink()
    assert run("keys", "new", path).returncode == 0


def test_a_key_may_stand_in_the_place_of_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the command line, or in the variable that names a real account's key; a new file is not called like that."""
    pem = save(generate(), tmp_path / "key.pem").read_text()
    identity = ("--id", "A" * 24)
    done = [run("keys", "show", pem), run("keys", "check", pem, *identity)]
    monkeypatch.setenv("AMAZON_PAY_PRIVATE_KEY_FILE", pem.replace("\n", "\\n"))
    done += [run("keys", "show"), run("keys", "check", *identity)]
    assert [each.returncode for each in done] == [0, 0, 0, 0], done
    refused = [run("keys", "new", pem), run("keys", "new", "--", pem), run(pem)]
    assert [each.returncode for each in refused] == [2, 2, 2]
    assert not [each for each in done + refused if pem[60:90] in each.stdout + each.stderr]


def test_a_wrong_key_is_found(tmp_path: Path) -> None:
    """A public key given for a private one ends with code 1 and a row that says so."""
    path = tmp_path / "key.pem"
    run("keys", "new", path)
    done = run("keys", "check", f"{path}.pub", "--id", "A" * 24)

    assert done.returncode == 1
    assert "✗" in done.stdout


def test_the_doctor_finds_this_machine_fit() -> None:
    """Every row is a sentence with a mark."""
    done = run("doctor")

    assert done.returncode == 0, done.stdout
    assert all(line.startswith("✓") for line in done.stdout.splitlines())


@pytest.mark.parametrize("kernel", ['{"argv": ["/nowhere/python", "-m", "ipykernel_launcher"]}', "{", '{"argv": []}'])
def test_the_doctor_looks_at_the_kernel(tmp_path: Path, kernel: str) -> None:
    """One that was made for a Python that is gone would fail every run."""
    folder = tmp_path / "kernels/python3"
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(kernel)
    done = run("doctor", env=os.environ | {"JUPYTER_PATH": str(tmp_path)})
    (wrong,) = (line for line in done.stdout.splitlines() if line.startswith("✗"))
    assert (done.returncode, "The kernel python3 does not start this Python" in wrong) == (1, True)


@pytest.mark.parametrize("domain", ["https://shop.test", "shop.test:8443", "my shop", ""])
def test_a_domain_that_no_button_can_have_is_refused(domain: str) -> None:
    """The emulator would start, and refuse each of the shop's buttons."""
    done = run("emulator", "--domain", domain)
    assert done.returncode == 2
    assert f"{domain!r} is no domain: write its host alone, such as shop.example.com" in done.stderr


def test_the_doctor_starts_the_browser(tmp_path: Path) -> None:
    """One that lacks a library is on the PATH, and plays no buyer."""
    program = tmp_path / "chromium-headless-shell"  # the first that is looked for
    program.write_text("#!/bin/sh\necho 'libnss3.so: no such file' >&2\nexit 127\n", "utf-8")
    program.chmod(0o755)
    for variables in ({"CHROMIUM": "", "PATH": f"{tmp_path}:{os.environ['PATH']}"}, {"CHROMIUM": str(program)}):
        done = run("doctor", env=os.environ | variables)
        assert done.returncode == 1
        assert f"✗ {program} does not start, so that no rehearsal can use it: libnss3.so: no such" in done.stdout


@pytest.mark.parametrize(
    ("command", "code"), [(["doctor"], 1), (["parity"], 2), (["export", "ride"], 2), (["demo", "--no-browser"], 2)]
)
def test_a_machine_without_connections_is_named(command: list[str], code: int, tmp_path: Path) -> None:
    """A container or a firewall may forbid those on loopback, too."""
    (tmp_path / "sitecustomize.py").write_text(NO_CONNECTIONS, "utf-8")
    done = run(*command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(tmp_path)})
    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr
    assert "127.0.0.1" in (said := done.stdout + done.stderr)
    assert "Operation not permitted" in said


def test_the_doctor_promises_no_buyer_without_playwright(tmp_path: Path) -> None:
    """A browser alone plays none."""
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['playwright'] = None\n", "utf-8")
    done = run("doctor", env=os.environ | {"PYTHONPATH": str(tmp_path), "CHROMIUM": "/bin/true"})
    assert (done.returncode, "buyers of a rehearsal" in done.stdout) == (0, False), done.stdout


def test_the_doctor_looks_for_the_certificates_of_an_emulator_that_has_ended() -> None:
    """Their variable is left in a shell, and every program that asks another machine fails."""
    done = run("doctor", env=os.environ | {"SSL_CERT_FILE": "/nowhere/ca.pem"})
    (wrong,) = (line for line in done.stdout.splitlines() if line.startswith("✗"))
    assert (done.returncode, "SSL_CERT_FILE" in wrong) == (1, True)


@pytest.mark.parametrize("redirection", [">&-", "<&- >&- 2>&-"])
def test_a_run_needs_no_stream(tmp_path: Path, redirection: str) -> None:
    """A shell has closed them, and a kernel wants them."""
    command = ["sh", "-c", f'exec "$@" {redirection}', "sh", *COMMAND, "run", "00", "--cold", "--out", str(tmp_path)]
    assert subprocess.run(command, check=False).returncode == 0
    assert json.loads((tmp_path / "summary.json").read_text("utf-8"))["failed"] == 0


def test_a_full_device_is_not_taken_for_the_folder(tmp_path: Path) -> None:
    """What cannot be printed is named as that."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*COMMAND, "run", "00", "--out", tmp_path], stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode == 2
    assert done.stderr == b"ConfigurationError: This cannot be printed (No space left on device).\n"


@pytest.mark.parametrize("buffered", ["", "1"], ids=["buffered", "unbuffered"])
@pytest.mark.parametrize(
    ("stream", "arguments"),
    [("stdout", "--help"), ("stdout", "--version"), ("stdout", "run --help"), ("stdout", "doctor --json"),
     ("stderr", "doctor --json"), ("stderr", ""), ("stderr", "nonsense"), ("stderr", "keys show none.pem")],
)  # fmt: skip
def test_what_cannot_be_said_has_an_exit_code(stream: str, arguments: str, buffered: str) -> None:
    """2, as for all that cannot be carried out; 1 would say that something is wrong with what was asked for."""
    streams = dict.fromkeys(("stdout", "stderr"), subprocess.PIPE)
    environment = os.environ | {"PYTHONUNBUFFERED": buffered}
    with Path("/dev/full").open("w") as full:
        process = subprocess.Popen(
            [*COMMAND, *arguments.split()], **{**streams, stream: full}, text=True, env=environment
        )
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2, said
    assert stream == "stderr" or "No space left on device" in said.splitlines()[-1], said


def test_the_package_runs_as_a_module() -> None:
    """As the command does, under the command's name."""
    module = [sys.executable, "-m", "amazonpay_nb"]
    shown = subprocess.run([*module, "--help"], capture_output=True, text=True, check=True).stdout
    assert shown.startswith("Usage: amazonpay-nb [OPTIONS] COMMAND")
    assert shown == run("--help").stdout.replace("Usage: -c", "Usage: amazonpay-nb")
    assert subprocess.run([*module, "keys", "show", "none.pem"], capture_output=True, check=False).returncode == 2
