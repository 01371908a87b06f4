"""A full disk: the emulator says so, loses nothing that it had acknowledged, and goes on once there is room."""

import os
import resource
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from amazonpay_nb.emulator.remote import ControlError
from amazonpay_nb.runs.report import REPORTS
from tests.emulated import Json, Shop, refusal
from tests.processes import Remote, emulator
from tests.proofs.sizes import size

BEFORE = size(20, 200)
# So many charges fill the rest of any disk of this size.
MOST_CHARGES = 5_000
KEPT = ("chargePermissionId", "chargeAmount", "creationTimestamp")
MEGABYTES = size(2, 8)
# Where a run finds how many kilobytes; the long edition has all.
PLACES = [("out", 0), ("out", 60), ("out", 200), ("temporary", 8), ("temporary", 60)][:: size(2, 1)]
MOUNT = ("mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m", "tmpfs")


class SmallDisk:
    """A small file system, which only root may have."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.filler = folder, folder / "filler"

    @classmethod
    def possible(cls) -> bool:
        """Try in a name space of its own, which leaves nothing behind."""
        if os.geteuid() or not shutil.which("unshare"):
            return False
        return not subprocess.run(["unshare", "--mount", *MOUNT, "/mnt"], capture_output=True, check=False).returncode

    @contextmanager
    def in_use(self) -> Iterator[None]:
        subprocess.run([*MOUNT, str(self.folder)], check=True)
        try:
            yield
        finally:
            subprocess.run(["umount", "--lazy", str(self.folder)], check=True)

    def fill(self, remote: Remote) -> None:
        self.filler.write_bytes(b"0" * shutil.disk_usage(self.folder).free)

    def free(self, remote: Remote) -> None:
        self.filler.unlink()


class FileLimit:
    """A limit of the size of each of the process's files, which everybody may set."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def in_use(self) -> Iterator[None]:
        yield

    def fill(self, remote: Remote) -> None:
        self._limit(remote, max(path.stat().st_size for path in self.folder.iterdir() if path.is_file()))

    def free(self, remote: Remote) -> None:
        self._limit(remote, resource.RLIM_INFINITY)

    def _limit(self, remote: Remote, size_of_files: int) -> None:
        _, most = resource.prlimit(remote.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(remote.process.pid, resource.RLIMIT_FSIZE, (size_of_files, most))


@pytest.mark.parametrize("clock", ["virtual", "real"])
@pytest.mark.parametrize("kind", [FileLimit, *([SmallDisk] if SmallDisk.possible() else [])])
def test_a_full_disk_loses_nothing(
    tmp_path: Path, kind: Any, clock: str, record_property: Callable[[str, object], None]
) -> None:
    """What was answered stays, what was refused can be sent again, and time moves once there is room."""
    (tmp_path / "disk").mkdir()
    disk = kind(tmp_path / "disk")
    arguments: Json = {"store": disk.folder / "world.db"} | ({"seed": 7} if clock == "virtual" else {})
    with disk.in_use():
        with emulator(tmp_path, **arguments) as remote, Shop(remote) as shop:
            wallet = shop.wallet()
            acknowledged = {key: shop.charge(wallet, "1.00", key=key) for key in map(str, range(BEFORE))}
            pending = shop.charge(wallet, "1.00", code="AuthorizationInitiated", canHandlePendingAuthorization=True)
            disk.fill(remote)
            refused = _charge_until_full(shop, wallet, acknowledged)
            _check(shop, acknowledged)
            if clock == "virtual":
                with pytest.raises(ControlError):
                    remote.control.post("clock", advance="PT30S")
                assert shop.state("getCharge", pending["chargeId"]) == "AuthorizationInitiated"
            disk.free(remote)
            acknowledged[refused] = shop.charge(wallet, "1.00", key=refused)
            if clock == "virtual":
                remote.control.post("clock", advance="PT30S")
                assert shop.state("getCharge", pending["chargeId"]) == "Authorized"
        with emulator(tmp_path, **arguments) as remote, Shop(remote) as shop:
            _check(shop, acknowledged)
            assert all(shop.charge(wallet, "1.00", key=key) == charge for key, charge in acknowledged.items())
            made = len(remote.control.get("objects/charges")["objects"])
            assert made == len(acknowledged) + 1, "each charge once, and the pending one"
        with closing(sqlite3.connect(disk.folder / "world.db")) as opened:
            assert opened.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    record_property(
        "work", "charges until the disk is full, and again when there is room, with a virtual and with a real clock"
    )
    record_property("result", "500 InternalServerError while it is full, 0 charges lost, 0 made twice, reading goes on")


def _charge_until_full(shop: Shop, wallet: str, acknowledged: dict[str, Json]) -> str:
    """Charge until there is no room, and return the key of the charge that was refused."""
    for number in range(MOST_CHARGES):
        key = f"full-{number}"
        answer = shop.try_charge(wallet, "1.00", key=key)
        if not answer.is_success:
            assert refusal(answer) == refusal(shop.try_charge(wallet, "1.00", key=key)) == (500, "InternalServerError")
            return key
        acknowledged[key] = answer.json()
    raise AssertionError("the disk does not become full")


def _check(shop: Shop, acknowledged: dict[str, Json]) -> None:
    for charge in acknowledged.values():
        found = shop.done("getCharge", charge["chargeId"])
        assert {name: found[name] for name in KEPT} == {name: charge[name] for name in KEPT}


@pytest.mark.skipif(not SmallDisk.possible(), reason="only root may have a small disk")
@pytest.mark.parametrize(("place", "kilobytes"), PLACES)
def test_a_run_on_a_full_disk_ends_with_a_sentence(tmp_path: Path, place: str, kilobytes: int) -> None:
    """Wherever it ends: exit code 2, no verdict, no part of a file, no key, and no kernel."""
    disk, out = tmp_path / "disk", tmp_path / ("disk/out" if place == "out" else "out")
    disk.mkdir()
    temporary = disk if place == "temporary" else tmp_path
    with SmallDisk(disk).in_use():
        (disk / "filler").write_bytes(b"0" * (shutil.disk_usage(disk).free - kilobytes * 1024))
        done = subprocess.run(
            [sys.executable, "-m", "amazonpay_nb", "run", "00", "01", "--out", str(out)], capture_output=True,
            text=True, check=False, env=os.environ | {"TMPDIR": str(temporary)},
        )  # fmt: skip
        left = {path.name for path in (*out.iterdir(), *disk.iterdir())} - {"filler", "out"}
        journals = [path.read_text("utf-8") for path in out.glob("*.journal.jsonl")]
    assert done.returncode == 2, done.stderr
    sentence, advice = done.stderr.splitlines()[-2:]  # before that, a kernel may say how it ended
    assert sentence.startswith(f"ConfigurationError: {disk}")
    assert "No space left on device" in sentence
    assert advice == (
        "Choose another folder with --out." if place == "out" else "Make room there, or set TMPDIR to another folder."
    )
    assert [name for name in left if not name.endswith((".ipynb", ".html", ".journal.jsonl"))] == []
    assert not left & {*REPORTS}
    assert all(text.endswith("}\n") for text in journals), "a line was cut, or none written"
    # A kernel's connection file is below the temporary folder.
    processes = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert [line for line in processes.splitlines() if f"{temporary}/amazonpay-nb-" in line] == []
    assert list(temporary.glob("amazonpay-nb-*")) == []
