"""`amazonpay-nb control`: the control interface from a shell, by the emulator's ready file."""

import json
from collections.abc import Iterator
from itertools import count, takewhile
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from amazonpay_nb.cli import main
from amazonpay_nb.commands.control import control
from amazonpay_nb.emulator import Emulator, remote
from amazonpay_nb.loopback import LoopbackServer
from amazonpay_nb.spec.notifications import DRILLS
from tests.emulated import Shop, charge_in


@pytest.fixture(scope="module", params=[False, True], ids=["http", "https"])
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with Emulator("na", seed=7, https=request.param) as emulator, Shop(emulator) as shop:
        emulator.write_ready_file(ready(tmp_path_factory.getbasetemp() / "ready.json"))
        yield shop


def ready(path: Path | None = None) -> Path:
    """Where the ready file of the module is."""
    ready.path = path or ready.path  # type: ignore[attr-defined]
    return ready.path  # type: ignore[attr-defined, no-any-return]


def run(*arguments: str, file: Path | None = None) -> Result:
    return CliRunner().invoke(main, ["control", *arguments, "--ready-file", str(file or ready())])


def done(*arguments: str) -> Any:
    """Run a command that succeeds, and return what it prints."""
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_the_clock_is_read_and_moved(shop: Shop) -> None:
    """Without a duration it only tells the time."""
    before = done("clock")["now"]
    assert done("clock", "PT1H")["fired"] == []
    assert before < done("clock")["now"] == shop.emulator.control.get("clock")["now"]


def test_what_is_queued_happens(shop: Shop) -> None:
    """An outcome, and faults with their settings."""
    wallet = shop.wallet()
    assert done("outcome", "createCharge", "SoftDeclined", "--times", "2")["outcomes"] == {
        "createCharge": ["SoftDeclined"] * 2
    }
    assert [shop.try_charge(wallet).status_code for _ in range(3)] == [422, 422, 201]
    done("fault", "getCharge", "status", "--status", "502", "--times", "1")
    assert shop.call("getCharge", "S01-0-0-C0").status_code == 502
    delay = {"operation": "getCharge", "fault": "delay", "status": 503, "seconds": 0.0, "times": 1}
    assert done("fault", "getCharge", "delay", "--seconds", "0")["faults"] == [delay]
    assert shop.call("getCharge", "S01-0-0-C0").status_code == 404


def test_amazons_part_is_played(shop: Shop) -> None:
    """For a permission, a charge and a dispute, each with what its row needs."""
    wallet = shop.wallet()
    made = done("cause", "permissions", wallet, "NonChargeable", "--reason-code", "PaymentMethodExpired")
    assert made["statusDetails"]["state"] == "NonChargeable"
    charge = charge_in(shop, "AuthorizationInitiated")
    assert done("cause", "charges", charge, "Authorized")["chargeId"] == charge
    dispute = shop.emulator.control.post("disputes", chargeId=charge_in(shop, "Captured"))["disputeId"]
    words = ["Resolved", "--reason-code", "AutoResolved", "--resolution", "MerchantWon"]
    assert done("cause", "disputes", dispute, *words)["statusDetails"]["resolution"] == "MerchantWon"


def test_notifications_are_sent_and_listed(shop: Shop) -> None:
    """To an address, and to nobody again; a drill waits for the next one."""
    url = "http://127.0.0.1:9/news"
    assert done("notify", url)["url"] == url
    shop.wallet()
    assert done("notify")["notifications"]
    assert done("drill", "lost")["drills"] == ["lost"]
    assert done("notify", "")["url"] is None


def test_the_world_is_shown_and_forked(shop: Shop) -> None:
    """Objects, exchanges, copies."""
    done("reset")
    wallet = shop.wallet()
    copy = done("snapshot")["id"]
    assert [row["chargePermissionId"] for row in done("objects", "chargePermissions")["objects"]] == [wallet]
    assert done("objects", "chargePermissions", wallet)["chargePermissionId"] == wallet
    assert done("journal")["exchanges"][-1]["operation"] == "completeCheckoutSession"
    done("reset")
    assert done("objects", "chargePermissions")["objects"] == []
    done("restore", copy)
    assert done("objects", "chargePermissions", wallet)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["clock", "tomorrow"], "tomorrow"), (["clock", "P99999999999D"], "'P99999999999D'"),
        (["clock", "P999999999D"], "beyond the year 9000"), (["outcome", "createCharge", "Nonsense"], "Nonsense"),
        (["fault", "fly", "reset"], "createCharge"),
        (["fault", "getCharge", "delay", "--times", "many"], "times"),
        (["cause", "permissions", "P01-0", "Closed"], "P01-0"), (["notify", "https://shop.example"], "127.0.0.1"),
        (["drill", "fire"], next(iter(DRILLS))), (["objects", "wallets"], "chargePermissions"),
        (["objects", "charges", "S01-0"], "S01-0"), (["restore", "9"], "snapshot"),
    ],
)  # fmt: skip
def test_a_refusal_is_a_sentence(shop: Shop, arguments: list[str], words: str) -> None:
    """On the error stream, with exit code 2."""
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", "[" * 100_000])
def test_a_file_that_is_no_ready_file(tmp_path: Path, content: str) -> None:
    """Or that is not there."""
    file = tmp_path / "ready.json"
    file.write_text(content)
    result = run("clock", file=file)
    assert (result.exit_code, "no emulator on this machine" in result.stderr) == (2, True)
    missing = run("clock", file=tmp_path / "missing.json")
    assert (missing.exit_code, "missing.json" in missing.stderr) == (2, True)


@pytest.mark.parametrize(
    "change",
    [
        {"controlUrl": "https://evil.test"},
        {"controlUrl": "http://127.0.0.1:80@a.test/_control"},
        {"controlUrl": None},
    ],
)
def test_a_ready_file_of_another_machine(tmp_path: Path, change: dict[str, str | None]) -> None:
    """Its token goes nowhere."""
    file = tmp_path / "ready.json"
    with Emulator("na", seed=7) as emulator:
        file.write_text(json.dumps(emulator.ready() | change))
    result = run("clock", file=file)
    assert (result.exit_code, "no emulator on this machine" in result.stderr) == (2, True)


@pytest.mark.parametrize("path", ["", "/\0"], ids=["gone", "unwritable"])
def test_an_emulator_that_is_gone(tmp_path: Path, path: str) -> None:
    """The sentence says so, also where no request could be written to its address."""
    file = tmp_path / "ready.json"
    with Emulator("na", seed=7) as emulator:
        file.write_text(json.dumps(emulator.ready() | {"controlUrl": emulator.ready()["controlUrl"] + path}))
    result = run("clock", file=file)
    assert (result.exit_code, "does not answer" in result.stderr) == (2, True)


@pytest.mark.parametrize("answer", ["<html>", "[]", "[" * 100_000])
def test_another_server_is_at_its_port(tmp_path: Path, answer: str) -> None:
    """Or one that wants to be taken for it."""
    file = tmp_path / "ready.json"
    other = LoopbackServer(Starlette(routes=[Route("/clock", lambda _: PlainTextResponse(answer))])).start()
    with Emulator("na", seed=7) as emulator:
        file.write_text(json.dumps(emulator.ready() | {"controlUrl": other.url}))
    result = run("clock", file=file)
    other.stop()
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)


def test_an_answer_without_an_end_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What listens there may send more than a machine has room for."""
    monkeypatch.setattr(remote, "_LONGEST_ANSWER", 1024 * 1024)
    file, sent = tmp_path / "ready.json", count()
    pieces = (b"x" * 65_536 for _ in takewhile(lambda number: number < 10_000, sent))
    other = LoopbackServer(Starlette(routes=[Route("/clock", lambda _: StreamingResponse(pieces))])).start()
    with Emulator("na", seed=7) as emulator:
        file.write_text(json.dumps(emulator.ready() | {"controlUrl": other.url}))
    result = run("clock", file=file)
    other.stop()
    assert (result.exit_code, "does not answer (ReadTimeout)" in result.stderr) == (2, True)
    assert next(sent) < 1_000


def test_the_commands_are_the_documented_ones() -> None:
    """In the order of the help."""
    names = "clock outcome fault cause notify drill objects journal snapshot restore reset world"
    assert sorted(control.commands) == sorted(names.split())


def test_a_world_is_written_and_put_back(shop: Shop, tmp_path: Path) -> None:
    """Into a file, and from it; a mistake in it is said with its line."""
    wallet, file = shop.wallet(), tmp_path / "shop.yaml"
    assert done("world", "save", str(file)) == {"file": str(file)}
    shop.emulator.reset()
    assert done("world", "load", str(file))["mode"] == "virtual"
    assert shop.state("getChargePermission", wallet) == "Chargeable"
    file.write_text(file.read_text().replace("'1111'", "'1112'"))
    result = run("world", "load", str(file))
    assert (result.exit_code, "is not one of 1111" in result.output) == (2, True)
    assert f"{file}:" in result.output


def test_a_world_may_be_as_large_as_the_page_says(shop: Shop, tmp_path: Path) -> None:
    """Its line ends and quotes take two bytes each on their way; a byte more is refused by the size of the file."""
    file, row = tmp_path / "shop.yaml", '- { card: "1111" }\n'
    text = "region: na\nchargePermissions:\n" + row * 100
    file.write_text(text + "#" + '"' * (256 * 1024 - len(text) - 2) + "\n")
    assert done("world", "load", str(file))["mode"] == "virtual"
    assert len(done("objects", "chargePermissions")["objects"]) == 100
    file.write_text(file.read_text() + "\n")
    result = run("world", "load", str(file))
    assert (result.exit_code, f"{file} has more than 262,144 bytes" in result.stderr) == (2, True), result.output


def test_a_world_that_is_not_in_utf_8(shop: Shop, tmp_path: Path) -> None:
    """The sentence is that of an emulator that starts with it."""
    file = tmp_path / "shop.yaml"
    file.write_bytes("clock: 2026-01-01T00:00:00Z\n# Café\n".encode("latin-1"))
    result, start = run("world", "load", str(file)), CliRunner().invoke(main, ["emulator", "--world", str(file)])
    words = f"{file}:1: 'utf-8' codec can't decode byte 0xe9 in position 33"
    assert [(each.exit_code, words in each.stderr) for each in (result, start)] == [(2, True)] * 2, result.output


def test_no_world_is_written_through_a_link(shop: Shop, tmp_path: Path) -> None:
    """One that somebody else has put in the place of the file is replaced."""
    theirs, file = tmp_path / "theirs", tmp_path / "shop.yaml"
    file.symlink_to(theirs)
    assert done("world", "save", str(file)) == {"file": str(file)}
    assert (file.is_symlink(), theirs.exists()) == (False, False)
