"""Whoever installs the wheel has the product, in an empty folder: lean, or with the extra that brings notebooks."""

import email
import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from amazonpay_nb.runs.lab import edition
from tests.processes import PATIENCE, answers, read_only, until

ROOT = Path(__file__).parents[2]
UV = shutil.which("uv") or Path(sys.prefix, "bin", "uv")
MOST_PACKAGES, MOST_BYTES = 27, 45_000_000
SESSION = """
import json
from pathlib import Path
from amazonpay_nb import AmazonPayClient, MerchantKeys
ready = json.loads(Path("ready.json").read_text())
keys = MerchantKeys.from_file(ready["privateKeyFile"], ready["publicKeyId"])
with AmazonPayClient(keys, region="na", environment="emulator", base_url=ready["url"]) as client:
    details = {"checkoutReviewReturnUrl": "https://shop.example/review"}
    session = client.create_checkout_session(web_checkout_details=details, store_id=ready["storeId"])
    print(ready["url"] + "/checkout?amazonCheckoutSessionId=" + session.checkout_session_id)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return path


def install(place: Path, *what: object) -> None:
    command = [UV, "pip", "install", "--quiet", "--python", place, "--constraints", ROOT / "requirements.lock", *what]
    if subprocess.run([*command, "--offline"], cwd=place, capture_output=True, check=False).returncode:
        subprocess.run(command, cwd=place, check=True)


@pytest.fixture(scope="module")
def lean(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment of nothing but the wheel and what it asks for, in the locked versions; from a cache, if it can."""
    place = tmp_path_factory.mktemp("lean")
    subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, place, "--clear"], check=True)
    install(place, wheel)
    return place


@pytest.fixture(scope="module")
def whole(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel before this environment, which has all extras; some other package has left notebooks beside it."""
    site = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    (site / "notebooks").mkdir()
    (site / "notebooks/00_stray.ipynb").write_text("{}")
    return site


class Place:
    """An empty folder, and an empty home."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home = folder / "empty", folder / "home"
        self.folder.mkdir()
        self.home.mkdir()
        self.environment = {"HOME": str(self.home), "PATH": os.environ["PATH"]}

    def run(self, *command: object) -> subprocess.CompletedProcess[str]:
        options: dict[str, Any] = {"cwd": self.folder, "env": self.environment, "timeout": PATIENCE}
        return subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, **options)

    @contextmanager
    def running(self, *command: object) -> Iterator[None]:
        process = subprocess.Popen([*map(str, command)], cwd=self.folder, env=self.environment, stdout=-3, stderr=-3)
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE)

    def wait_for(self, pattern: str) -> dict[str, Any]:
        # JupyterLab writes its file in place, so it may be there before its end.
        assert until(lambda: any(path.read_text().endswith("}") for path in self.folder.glob(pattern))), pattern
        return dict(json.loads(next(self.folder.glob(pattern)).read_text()))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_package_index_can_show_what_it_is(wheel: Path) -> None:
    """Of the README, it has neither the pages nor the pictures."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(archive.read(name))
    text = metadata.get_payload()
    assert isinstance(text, str)
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert text.startswith("# Amazon Pay Saved Wallet")
    assert "## How fast" in text
    assert "[Integration overview](https://" in text
    assert not re.findall(r"\]\((?!https:).*|<(?:picture|source|img)\b.*|!\[.*", text)
    assert all(metadata[name] for name in ("Author", "Keywords", "License-Expression", "Project-URL", "Summary"))


# ---- without an extra --------------------------------------------------------------------------------------------


def test_a_lean_installation_is_small(lean: Path) -> None:
    """A project that wants an emulator in its tests does not install JupyterLab."""
    packages = [path.name for path in lean.rglob("*.dist-info")]
    assert len(packages) <= MOST_PACKAGES, packages
    files = [path for path in (lean / "lib").rglob("*") if path.suffix != ".pyc"]
    assert sum(path.lstat().st_size for path in files) <= MOST_BYTES


@pytest.mark.parametrize(
    "arguments",
    [
        ["keys", "new"], ["grade"], ["parity", "--only", "regions"], ["run", "--help"],
        ["rehearse", "shop_python/rehearsal.toml", "--browser", "none", "--only", "notification.forged"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_lean_command_works(lean: Path, place: Place, arguments: list[str]) -> None:
    """In an empty folder, and nothing is written to a home."""
    shutil.copytree(*lean.glob("lib/*/site-packages/amazonpay_nb/examples/shop_python"), place.folder / "shop_python")
    done = place.run(lean / "bin/amazonpay-nb", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not [*place.home.iterdir()]


@pytest.mark.parametrize("command", ["run", "sweep", "lab", "export", "kit"])
def test_a_command_without_its_extra_says_what_brings_it(lean: Path, place: Place, command: str) -> None:
    """In one line to copy, before anything else is done."""
    done = place.run(lean / "bin/amazonpay-nb", command, *(["matrix.yaml"] if command == "sweep" else []))
    assert (done.returncode, done.stdout) == (2, "")
    install, run = "pip install 'amazonpay-nb[workbook]'", "uvx --from 'amazonpay-nb[workbook]' amazonpay-nb"
    assert done.stderr.splitlines()[1:] == [f"{install}, or: {run} {command}"]
    assert not [*place.folder.iterdir()]


def test_the_doctor_says_which_extras_are_there(lean: Path, place: Place) -> None:
    """A lean installation is no mistake."""
    done = place.run(lean / "bin/amazonpay-nb", "doctor")
    assert done.returncode == 0, done.stdout
    assert "✓ The extra workbook is not there (lab, run, sweep, " in done.stdout
    assert "): pip install 'amazonpay-nb[rehearse]'\n" in done.stdout


def test_a_lean_emulator_serves_a_client_a_buyer_and_who_controls_it(lean: Path, place: Place) -> None:
    """From the first request to the merchant's address, and its store is sound."""
    program = lean / "bin/amazonpay-nb"
    with place.running(program, "emulator", "--ready-file", "ready.json", "--store", "world.db"):
        place.wait_for("ready.json")
        session = place.run(lean / "bin/python", "-c", SESSION)
        assert session.returncode == 0, session.stderr
        bought = place.run(program, "buyer", "approve", session.stdout.strip())
        assert bought.stdout.splitlines()[-1].startswith("https://shop.example/review?"), bought
        answer = place.run(program, "control", "clock", "--ready-file", "ready.json").stdout
        assert json.loads(answer)["mode"] == "real"
    assert place.run(program, "store", "check", "world.db").returncode == 0


def test_a_shops_own_tests_need_nothing_but_pytest_besides(lean: Path, place: Place) -> None:
    """The plugin is found, and its emulator, client and buyer work."""
    install(lean, "pytest", "--target", place.folder / "pytest")
    shutil.copytree(ROOT / "examples/pytest", place.folder / "shop", ignore=shutil.ignore_patterns("__pycache__"))
    place.environment["PYTHONPATH"] = str(place.folder / "pytest")
    done = place.run(lean / "bin/python", "-m", "pytest", "-q", "shop", "-k", "declined")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_lean_stage_opens(lean: Path, place: Place) -> None:
    with place.running(lean / "bin/amazonpay-nb", "demo", "--no-browser", "--ready-file", "stage.json"):
        assert httpx.get(place.wait_for("stage.json")["url"], trust_env=False, timeout=PATIENCE).status_code == 200


def test_a_table_without_its_extra_says_what_brings_it(lean: Path, place: Place) -> None:
    script = "from amazonpay_nb.client.journal import Journal\nJournal().ledger()"
    done = place.run(lean / "bin/python", "-c", script)
    assert done.stderr.endswith("pandas is not installed.\npip install 'amazonpay-nb[workbook]'\n")


# ---- with the extra of notebooks ---------------------------------------------------------------------------------


def test_notebooks_run_from_the_wheel(whole: Path, place: Place) -> None:
    """They, what they link to and the servers they rehearse come with it; nothing is written beside them."""
    before = {path for path in whole.rglob("*") if "__pycache__" not in path.parts}
    place.environment |= {"PYTHONPATH": str(whole), "PYTHONDONTWRITEBYTECODE": "1"}
    script = "from amazonpay_nb.runs.lab import edition; print(*sorted(edition()), sep='\\n')"
    assert place.run(sys.executable, "-c", script).stdout.splitlines() == sorted(edition())
    # Compiles 35 grammars where it is imported: a second of every run.
    (place.folder / "rfc3987_syntax.py").write_text("raise SystemExit('jsonschema asks for a checker of formats')")
    place.environment["PYTHONPATH"] += f":{place.folder}"
    done = place.run(sys.executable, "-m", "amazonpay_nb", "run", "01", "12", "--out", "out")
    assert done.returncode == 0, done.stdout + done.stderr
    page = place.folder / "out/01_set_up_outside_the_purchase_flow.html"
    assert page.read_text("utf-8").count("data:image/") >= 2
    assert {path for path in whole.rglob("*") if "__pycache__" not in path.parts} == before
    assert not [*place.home.iterdir()]


def test_an_extra_with_a_package_that_is_too_old_is_not_used(whole: Path, place: Place) -> None:
    """Widgets of an older kernel would not answer while a cell waits; doctor and command say so before that."""
    old = place.folder / "ipykernel-6.30.1.dist-info"
    old.mkdir()
    (old / "METADATA").write_text("Metadata-Version: 2.1\nName: ipykernel\nVersion: 6.30.1\n")
    place.environment["PYTHONPATH"] = f"{place.folder}:{whole}"
    doctor, run = (place.run(sys.executable, "-m", "amazonpay_nb", name) for name in ("doctor", "run"))
    assert "✗ The extra workbook lacks ipykernel<8,>=7.4 (lab, run, " in doctor.stdout
    assert (doctor.returncode, run.returncode) == (1, 2)
    assert "run needs the extra 'workbook'" in run.stderr


def test_a_page_is_exported_from_the_wheel(whole: Path, place: Place) -> None:
    place.environment["PYTHONPATH"] = str(whole)
    done = place.run(sys.executable, "-m", "amazonpay_nb", "export", "food", "--edition", "short")
    assert done.returncode == 0, done.stderr
    assert (place.folder / done.stdout.splitlines()[-1]).stat().st_size > 10_000


def test_a_folder_that_cannot_be_written_to_is_named_with_what_to_do(whole: Path, place: Place) -> None:
    """By the run that would write there, and by the doctor, who needs no place."""
    place.environment["PYTHONPATH"] = str(whole)
    place.folder.chmod(0o500)
    module = [sys.executable, "-m", "amazonpay_nb"]
    why = os.strerror(errno.EACCES if os.geteuid() else errno.EROFS)
    run = place.run(*read_only(place.folder, *module, "run", "00"))
    assert run.stderr == f"ConfigurationError: out: {why}.\nChoose another folder with --out.\n"
    lab = place.run(*read_only(place.folder, *module, "lab", "--to", str(place.folder / "lab"), "--allow-root"))
    advice = "Choose a place that you may use; --help says how."
    assert lab.stderr == f"{place.folder}/lab: {why}\n{advice}\n"
    assert (run.returncode, lab.returncode) == (2, 2)
    doctor = place.run(*read_only(place.folder, *module, "doctor"))
    assert f"{place.folder} cannot be written to: add --out DIR." in doctor.stdout
    assert doctor.returncode == 0


def test_the_lab_opens_from_the_wheel(whole: Path, place: Place) -> None:
    """JupyterLab answers, with the first chapter in it."""
    place.environment |= {"PYTHONPATH": str(whole), "JUPYTER_RUNTIME_DIR": str(place.folder / "runtime")}
    command = [sys.executable, "-m", "amazonpay_nb", "lab", "--to", place.folder / "lab", "--allow-root"]
    with place.running(*command, "--no-browser", "--ServerApp.port=0"):
        server = place.wait_for("runtime/jpserver-*.json")
        assert until(lambda: answers(server["port"]))  # it listens a moment after it has written its file
        headers = {"Authorization": f"token {server['token']}"}
        url = f"http://127.0.0.1:{server['port']}{server['base_url']}api/contents/notebooks/00_start_here.ipynb"
        assert httpx.get(url, headers=headers, trust_env=False, timeout=PATIENCE).json()["type"] == "notebook"
