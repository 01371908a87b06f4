"""The pytest plugin, as somebody else's test suite uses it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import PATIENCE

EXAMPLE = Path(__file__).parents[2] / "examples" / "pytest"


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the suite in *folder* as its own project."""
    command = (sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", *arguments)
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE)


def suite(folder: Path, text: str) -> Path:
    (folder / "test_it.py").write_text(text, "utf-8")
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\n", "utf-8")
    return folder


@pytest.mark.parametrize("workers", [(), ("-p", "xdist", "-n", "2")], ids=["alone", "xdist"])
def test_the_example_suite_passes_in_a_folder_of_its_own(tmp_path: Path, workers: tuple[str, ...]) -> None:
    """Nothing of this repository is needed but the package; each worker has an emulator of its own."""
    shutil.copytree(EXAMPLE, tmp_path / "shop", ignore=shutil.ignore_patterns("__pycache__"))
    result = run(tmp_path / "shop", *workers)
    assert result.returncode == 0, result.stdout
    assert "10 passed" in result.stdout


TWICE = """
import pytest

SEEN = []
ACCOUNTS = [("Emulated Shop", None), ("Another Shop", None)]

@pytest.mark.parametrize("time", [1, 2, 3])
def test_a_world(amazonpay_emulator, amazonpay_client, amazonpay_clock, amazonpay_outcomes, amazonpay_faults, time):
    control = amazonpay_emulator.control
    assert [(row["name"], row.get("endpoint")) for row in control.get("world")["merchants"]] == ACCOUNTS
    assert control.get("objects/checkoutSessions")["objects"] == []
    assert control.get("journal")["exchanges"] == []
    session = amazonpay_client.create_checkout_session(
        store_id=amazonpay_emulator.store_id,
        web_checkout_details={"checkoutResultReturnUrl": "https://shop.example/result"},
        charge_permission_type="PaymentMethodOnFile",
        payment_method_on_file_metadata={"setupOnly": True},
        payment_details={"paymentIntent": "Confirm"},
    )
    SEEN.append((amazonpay_emulator.url, session.checkout_session_id, amazonpay_clock.now()))
    amazonpay_clock.advance("P3D")
    amazonpay_outcomes("createCharge", "HardDeclined", times=5)
    amazonpay_faults("createCheckoutSession", "status", times=100)
    control.post("world", world={"merchants": [{"name": "My Shop"}, {"endpoint": "http://127.0.0.1:9/"}]})
    for _ in range(40 if time == 3 else 3):
        amazonpay_emulator.snapshot()
    assert len(set(SEEN)) == 1

def test_the_world_after_many_snapshots(amazonpay_emulator):
    assert amazonpay_emulator.control.get("objects/checkoutSessions")["objects"] == []
    amazonpay_emulator.stop()

def test_the_world_after_an_end(amazonpay_emulator, amazonpay_emulator_factory):
    assert amazonpay_emulator.control.get("objects/checkoutSessions")["objects"] == []
    with amazonpay_emulator_factory(region="eu") as emulator:
        assert emulator.control.get("objects/checkoutSessions")["objects"] == []

def test_another_world_after_an_end(amazonpay_emulator_factory):
    assert amazonpay_emulator_factory(region="eu").control.get("objects/checkoutSessions")["objects"] == []
"""


def test_one_server_gives_each_test_a_fresh_world(tmp_path: Path) -> None:
    """The same address, accounts, ids and time in each test, whatever the last one did to world, faults and server."""
    result = run(suite(tmp_path, TWICE))
    assert "6 passed" in result.stdout, result.stdout


WORLD = """
import asyncio
from functools import cache
import pytest
from amazonpay_nb.client.notifications import NotificationReader
from amazonpay_nb.errors import DeclinedError
from amazonpay_nb.loopback import route, serve
from starlette.applications import Starlette
from starlette.responses import Response

HEARD = []
READER = cache(lambda: NotificationReader(certificate_hosts=["127.0.0.1"], max_age=None))

async def hear(request):
    HEARD.append(await asyncio.to_thread(READER().read, await request.body()))
    return Response()

@pytest.fixture(scope="session")
def shop():
    server = serve(Starlette(routes=[route("POST", "/", hear)])).start()
    yield f"{server.url}/"
    server.stop()

@pytest.mark.amazonpay(world="worlds/shop.yaml")
@pytest.mark.parametrize("time", [1, 2])
def test_a_world(amazonpay_emulator, amazonpay_client, shop, time):
    amazonpay_emulator.control.post("notifications/endpoint", url=shop)
    assert amazonpay_client.get_charge_permission("C01-1000001-0000001").state == "Chargeable"
    with pytest.raises(DeclinedError):
        amazonpay_client.create_charge(
            charge_permission_id="C01-1000001-0000001", charge_amount={"amount": "1", "currencyCode": "USD"}
        )
    amazonpay_client.close_charge_permission("C01-1000001-0000001", closure_reason="gone")
    amazonpay_emulator.control.get("notifications")
    assert [one.object_id for one in HEARD] == ["C01-1000001-0000001"] * time
    assert len({one.notification_id for one in HEARD}) == time
"""


def test_each_test_starts_in_the_world_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its objects and its outcomes, whatever the test before did; a shop that lives longer believes each one."""
    monkeypatch.setenv("AMAZONPAY_NB_IN_PROCESS", "1")  # there, each of them has the same address
    world = "chargePermissions:\n- chargePermissionId: C01-1000001-0000001\noutcomes: {createCharge: [SoftDeclined]}\n"
    for name in ("worlds", "elsewhere"):
        (tmp_path / name).mkdir()
    (tmp_path / "worlds" / "shop.yaml").write_text(world, "utf-8")
    suite(tmp_path, WORLD)
    result = run(tmp_path / "elsewhere", "..")
    assert "2 passed" in result.stdout, result.stdout


REGIONS = """
import pytest

def test_here(amazonpay_emulator):
    assert amazonpay_emulator.region == "eu"

@pytest.mark.amazonpay(region="jp", https=True)
def test_there(amazonpay_emulator, amazonpay_client):
    assert amazonpay_emulator.region == "jp"
    assert amazonpay_emulator.url.startswith("https://")

@pytest.mark.amazonpay(region="jp")
class TestThere:
    @pytest.mark.amazonpay(throttle=True)
    def test_both_marks(self, amazonpay_emulator):
        assert amazonpay_emulator.region == "jp"

    @pytest.mark.amazonpay(region="na")
    def test_its_own(self, amazonpay_emulator):
        assert amazonpay_emulator.region == "na"

def test_both(amazonpay_emulator_factory):
    first, second = amazonpay_emulator_factory(region="na"), amazonpay_emulator_factory(region="jp")
    assert first.url != second.url
"""


def test_a_region_comes_from_the_command_line_or_from_a_marker(tmp_path: Path) -> None:
    """The marker wins, a test's own before that of its class; a factory makes as many emulators as a test needs."""
    result = run(suite(tmp_path, REGIONS), "--amazonpay-region", "eu")
    assert "5 passed" in result.stdout, result.stdout


WRONG = """
import pytest

@pytest.mark.amazonpay(regoin="jp")
def test_a_misspelled_option(amazonpay_emulator): ...

@pytest.mark.amazonpay(region="moon")
def test_an_unknown_region(amazonpay_emulator): ...

@pytest.mark.amazonpay(domains=["shop.example"])
def test_a_list_of_domains(amazonpay_emulator): ...

@pytest.mark.amazonpay("jp")
def test_an_option_without_its_name(amazonpay_emulator): ...
"""


def test_a_wrong_option_is_refused_with_what_there_is(tmp_path: Path) -> None:
    """The message names the option and the allowed ones."""
    said = run(suite(tmp_path, WRONG)).stdout
    assert "there is no option regoin; there are region, https, throttle, domains" in said
    assert "'moon'" in said
    assert "'jp' needs a name, as in amazonpay(region='jp')" in said
    assert "1 passed, 3 errors" in said


ENCRYPTED = """
from amazonpay_nb.lessons.account import MerchantAccount

def test_a_buyer(amazonpay_emulator, amazonpay_buyer):
    assert amazonpay_emulator.url.startswith("https:")
    session_id = MerchantAccount(amazonpay_emulator).session()
    page = f"{amazonpay_emulator.url}/checkout?amazonCheckoutSessionId={session_id}"
    assert amazonpay_buyer.approve(page).endswith(session_id)
"""


def test_a_buyer_needs_no_certificate_of_an_encrypted_emulator(tmp_path: Path) -> None:
    """Nobody is in between."""
    result = run(suite(tmp_path, ENCRYPTED), "--amazonpay-https")
    assert "1 passed" in result.stdout, result.stdout


INBOX = """
import pytest

@pytest.mark.parametrize("time", [1, 2])
def test_an_inbox(amazonpay_emulator, amazonpay_inbox, time):
    assert amazonpay_inbox.notifications == []
    with pytest.raises(AssertionError, match="0 of 1 notifications arrived"):
        amazonpay_inbox.wait(timeout=0.01)
"""
STRANGERS = """
import httpx
from amazonpay_nb.loopback import MAX_BODY_BYTES

def test_strangers_at_an_inbox(amazonpay_inbox):
    pieces = (b"x" * 65_536 for _ in range(100))
    for content in (b"x" * (MAX_BODY_BYTES + 1), pieces):
        assert httpx.post(amazonpay_inbox.url, content=content).status_code == 413
    page = {"origin": "https://elsewhere.example"}
    assert httpx.post(amazonpay_inbox.url, content=b"{}", headers=page).status_code == 403
"""


def test_an_inbox_collects_nothing_huge_and_nothing_of_other_pages(tmp_path: Path) -> None:
    """Its port is open to everybody on the machine while a test runs."""
    result = run(suite(tmp_path, STRANGERS))
    assert "1 passed" in result.stdout, result.stdout


ON_ITS_WAY = """
import threading
from amazonpay_nb.lessons.account import MerchantAccount

GO = threading.Event()

def test_that_does_not_wait_for_its_notification(amazonpay_emulator, amazonpay_inbox):
    reader = amazonpay_inbox._reader
    genuine = reader.read
    reader.read = lambda body: GO.wait() and genuine(body)
    MerchantAccount(amazonpay_emulator).wallet()
    threading.Timer(2, GO.set).start()

def test_the_next(amazonpay_emulator, amazonpay_inbox):
    GO.wait()
    amazonpay_emulator.control.get("notifications")
    assert amazonpay_inbox.notifications == []
"""


def test_what_is_on_its_way_when_a_test_ends_is_not_the_next_ones(tmp_path: Path) -> None:
    """An inbox is that of its test alone."""
    result = run(suite(tmp_path, ON_ITS_WAY))
    assert "2 passed" in result.stdout, result.stdout


STOPPED = """
import pytest

@pytest.mark.parametrize("time", [1, 2])
def test_that_stops_its_emulator(amazonpay_emulator, amazonpay_inbox, time):
    amazonpay_emulator.stop()
"""


def test_an_inbox_whose_emulator_has_stopped_ends_without_an_error(tmp_path: Path) -> None:
    """The next test has a new emulator, and an inbox of it."""
    result = run(suite(tmp_path, STOPPED))
    assert "2 passed in" in result.stdout, result.stdout


def test_an_inbox_is_empty_at_first_and_says_what_is_missing(tmp_path: Path) -> None:
    """A test that waits in vain fails with a number."""
    assert "2 passed" in run(suite(tmp_path, INBOX)).stdout
