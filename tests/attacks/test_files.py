"""What lies on the disk: who may read it, and whose place it takes."""

import os
import pickle
import stat
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from amazonpay_nb.emulator import Emulator
from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.signing.keys import generate, save
from amazonpay_nb.stage.brand import Brand
from amazonpay_nb.stage.story import story

KEYS = generate()
SECRET = b"tok_live_A1b2C3d4E5f6"


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    """What the process takes away from each new file's mode."""
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def open_to_others(folder: Path) -> list[str]:
    """Files that somebody else may read or write; what lies in a closed folder is closed."""
    found = []
    for path in sorted(folder.iterdir()):
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            found.append(path.name)
        elif path.is_dir():
            found += open_to_others(path)
    return found


@pytest.mark.parametrize("https", [False, True])
def test_what_an_emulator_writes_is_its_owners_alone(umask: int, https: bool, tmp_path: Path) -> None:
    """Keys, the world with its tokens, and the file with the control token, whatever the process's mask."""
    with Emulator("na", seed=7, store=tmp_path / "world.db", https=https) as emulator:
        emulator.write_ready_file(tmp_path / "ready.json")
        assert open_to_others(tmp_path) == []
        assert stat.S_IMODE(emulator._folder.path.stat().st_mode) == 0o700
    assert {"ready.json", "world.db", "world.db.keys"} <= {path.name for path in tmp_path.iterdir()}


def test_keys_that_somebody_prepared_later_are_refused(tmp_path: Path) -> None:
    """The store was examined, and keys are made when they are needed first."""
    with Emulator("na", seed=7, store=tmp_path / "world.db") as emulator:
        folder = tmp_path / "world.db.keys"
        folder.mkdir(exist_ok=True)
        folder.chmod(0o777)
        with pytest.raises(ValueError, match="open to other users"):
            _ = emulator.merchant
        assert not [*folder.iterdir()]


@pytest.mark.parametrize("name", ["world.db", "world.db-wal", "world.db.keys", "world.db.keys/merchant.pem"])
@pytest.mark.parametrize("kind", ["a link", "open to other users"])
def test_a_store_that_somebody_prepared_is_refused(name: str, kind: str, tmp_path: Path) -> None:
    """The file, what SQLite puts beside it, and the keys: nothing is written through them, and no key is taken."""
    place, trap = tmp_path / name, tmp_path / "trap"
    place.parent.mkdir(mode=0o700, exist_ok=True)
    trap.touch()
    if kind == "a link":
        place.symlink_to(trap)
    else:
        place.touch()
        place.chmod(0o644)
    with pytest.raises(ValueError, match=f"{name} is {kind}"):
        Emulator("na", seed=7, store=tmp_path / "world.db")
    assert (trap.read_text(), (tmp_path / "world.db").exists()) == ("", name == "world.db")


@pytest.mark.parametrize("prepared", ["ready.json", "ready.json.new"])
@pytest.mark.parametrize("kind", ["file", "link"])
def test_nobody_reads_the_token_through_a_file_that_was_waiting(prepared: str, kind: str, tmp_path: Path) -> None:
    """A file that others can read, or a link to one, in the place of the ready file or of a part of it."""
    trap = tmp_path / "trap"
    trap.touch(0o666)
    place = tmp_path / prepared
    place.symlink_to(trap) if kind == "link" else place.touch(0o666)
    with Emulator("na", seed=7) as emulator:
        emulator.write_ready_file(tmp_path / "ready.json")
        written = tmp_path / "ready.json"
        assert emulator.control.token in written.read_text()
        assert (stat.S_IMODE(written.lstat().st_mode), written.is_symlink()) == (0o600, False)
        assert trap.read_text() == ""


@pytest.mark.parametrize("there", [True, False], ids=["to a file", "to nothing"])
def test_a_key_is_not_written_through_a_link(there: bool, tmp_path: Path) -> None:
    """Without leave to replace it nothing is written; with it the link is replaced, and not what it leads to."""
    trap, path = tmp_path / "trap", tmp_path / "key.pem"
    if there:
        trap.write_text("precious")
    path.symlink_to(trap)
    with pytest.raises(ConfigurationError, match="there already"):
        save(KEYS, path)
    save(KEYS, path, overwrite=True)
    assert (path.is_symlink(), stat.S_IMODE(path.stat().st_mode)) == (False, 0o600)
    assert trap.read_text() == "precious" if there else not trap.exists()


# A command, and what it says of a file in the place of the word FILE.
ENDLESS = {
    "control world load FILE --ready-file ready.json": "/dev/zero has more than 262,144 bytes",
    "control clock --ready-file FILE": "/dev/zero describes no emulator on this machine",
    "demo --no-browser -p logo FILE": "logo is too large",
    "demo --no-browser -p picture FILE": "picture is too large",
    "emulator --world FILE": "/dev/zero:1: it has more than 2,000,000 characters",
    "export ride -p logo FILE": "logo is too large",
    "keys show FILE": "This is not a key in PEM",
    "parity --compare FILE": "/dev/zero is no recording of probes",
    "rehearse FILE": "/dev/zero: it has more than 30,000 characters",
    "sweep FILE --list": "zero is no matrix: it has more than 2,000,000 characters",
}


@pytest.mark.parametrize(("command", "words"), ENDLESS.items(), ids=ENDLESS)
def test_a_file_may_have_no_end(command: str, words: str, tmp_path: Path) -> None:
    """No more of it is read than such a file may have: two gigabytes are enough to say so."""
    (tmp_path / "ready.json").write_text("{}")
    limited = ["sh", "-c", 'ulimit -v 2000000 && exec "$@"', "", sys.executable, "-m", "amazonpay_nb"]
    arguments = command.replace("FILE", "/dev/zero").split()
    done = subprocess.run([*limited, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, words in done.stderr) == (2, True), done.stderr


@pytest.mark.parametrize("name", ["logo", "picture"])
def test_a_file_that_is_no_picture_is_not_repeated(name: str, tmp_path: Path) -> None:
    """It is named as it was typed; one that a page sends is not repeated either."""
    (path := tmp_path / "live,token.png").write_bytes(SECRET)
    sent = f"data:image/png;base64,{b64encode(SECRET).decode()}"
    for text, words in ((str(path), repr(str(path))), (sent, "'data:image/png;base64'")):
        with pytest.raises(ConfigurationError) as caught:
            Brand.of(story("ride"), {name: text})
        assert caught.value.message == f"{name}={words} is no picture."


def test_no_key_travels_in_a_pickle(tmp_path: Path) -> None:
    """What holds one cannot be pickled, and says nothing of it in words."""
    with Emulator("na", seed=7) as emulator:
        held = emulator.merchant.keys
        for thing in (held, emulator.merchant, emulator):
            with pytest.raises(TypeError):
                pickle.dumps(thing)
            assert "PRIVATE" not in repr(thing) + str(thing)
            assert emulator.control.token not in repr(thing) + str(vars(thing) if thing is held else "")
        assert emulator.control.token not in repr(emulator.control)
