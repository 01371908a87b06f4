"""A key pair is made, kept and read; whatever else is offered is refused without repeating it."""

import os
from base64 import b64decode, b64encode
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from hypothesis import HealthCheck, given, settings, strategies as st

from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.signing import Algorithm, explain_payload, sign_payload
from amazonpay_nb.signing.keys import KEY_BITS, MerchantKeys, check, generate, load, save, save_public, source, with_id

KEY_ID = "SANDBOX-AFVX7ULWSGBZ5535PCUQOY7B"
KEYS = generate(KEY_ID)
PASSPHRASE = "correct horse"


def pem(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey = KEYS.private_key,
    form: PrivateFormat = PrivateFormat.PKCS8,
    passphrase: str = "",
) -> bytes:
    encryption: KeySerializationEncryption = NoEncryption()
    if passphrase:
        encryption = BestAvailableEncryption(passphrase.encode())
    return key.private_bytes(Encoding.PEM, form, encryption)


def same_pair(one: MerchantKeys, other: MerchantKeys) -> bool:
    """Both halves: what one signs, the other's public key verifies."""
    signature = sign_payload("{}", one.private_key)
    return explain_payload("{}", signature, Algorithm.V2, other.public_pem) is None


# ---- a key pair --------------------------------------------------------------------------------------------------


def test_a_new_pair_is_what_amazon_asks_for() -> None:
    """RSA of 2048 bits, and V2 to sign with."""
    keys = generate()
    assert (keys.private_key.key_size, keys.public_key_id, keys.algorithm) == (KEY_BITS, "", Algorithm.V2)
    assert not same_pair(keys, KEYS)


def test_no_representation_shows_the_private_key() -> None:
    """Notebooks print whatever a cell ends in."""
    assert repr(KEYS) == str(KEYS) == f"MerchantKeys(public_key_id='{KEY_ID}', algorithm='{Algorithm.V2}')"


def test_the_fingerprint_is_a_hash_of_the_public_key() -> None:
    """Anybody can recompute it from the file that was uploaded: the lines of a PEM are the DER in base64."""
    der = b64decode("".join(KEYS.public_pem.splitlines()[1:-1]))
    assert b64decode(KEYS.fingerprint.removeprefix("SHA256:") + "=") == sha256(der).digest()
    assert generate().fingerprint != KEYS.fingerprint


@pytest.mark.parametrize(
    ("public_key_id", "environment"),
    [
        (KEY_ID, "sandbox"),
        ("sandboxA", "sandbox"),
        ("LIVE-AFVX7ULWSGBZ5535PCUQOY7B", "live"),
        ("Live-1", "live"),
        ("AFVX7ULWSGBZ5535PCUQOY7B", None),
        ("", None),
    ],
)
def test_the_prefix_of_the_id_decides_the_environment(public_key_id: str, environment: str | None) -> None:
    """The SDKs look at the letters only, whatever their case."""
    assert with_id(KEYS, public_key_id).environment == environment


def test_another_id_leaves_the_pair_and_the_algorithm_alone() -> None:
    """Amazon gives the id after the upload."""
    old = replace(KEYS, algorithm=Algorithm.V1)
    new = with_id(old, "LIVE-1")
    assert (new.public_key_id, new.algorithm, new.private_key) == ("LIVE-1", Algorithm.V1, old.private_key)


# ---- reading -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
@pytest.mark.parametrize("passphrase", ["", PASSPHRASE])
def test_every_usual_pem_is_read(form: PrivateFormat, passphrase: str, tmp_path: Path) -> None:
    """PKCS#8 and PKCS#1, encrypted or not; as a path, a path's text, PEM text and PEM bytes."""
    data = pem(form=form, passphrase=passphrase)
    path = tmp_path / "key.pem"
    path.write_bytes(data)
    for origin in (path, str(path), data, data.decode()):
        keys = load(origin, KEY_ID, passphrase=passphrase, algorithm=Algorithm.V1)
        assert same_pair(keys, KEYS)
        assert (keys.public_key_id, keys.algorithm) == (KEY_ID, Algorithm.V1)


CERTIFICATE = b"-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUZ0123456789\n-----END CERTIFICATE-----\n"
DER = KEYS.private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
GARBLED = pem().replace(b"M", b"*", 1)
SHORT = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505
BAD_FILES = {
    "empty": (b"", "", "empty"),
    "blank": (b" \n", "", "empty"),
    "public": (KEYS.public_pem.encode(), "", "public key"),
    "certificate": (CERTIFICATE, "", "certificate"),
    "OpenSSH": (pem(form=PrivateFormat.OpenSSH), "", "OpenSSH"),
    "elliptic": (pem(ec.generate_private_key(ec.SECP256R1())), "", "not an RSA key"),
    "short": (pem(SHORT), "", "1024 bits"),
    "no passphrase": (pem(passphrase=PASSPHRASE), "", "encrypted"),
    "wrong passphrase": (pem(passphrase=PASSPHRASE), "wrong", "passphrase"),
    "wrong passphrase, PKCS#1": (pem(KEYS.private_key, PrivateFormat.TraditionalOpenSSL, "right"), "no", "passphrase"),
    "needless passphrase": (pem(), PASSPHRASE, "not encrypted"),
    "garbled": (GARBLED, "", "damaged"),
    "cut": (pem()[:800], "", "damaged"),
    "one line": (pem().replace(b"\n", b"\\n"), "", "damaged"),
    "DER": (DER, "", "not a key in PEM"),
    "not UTF-8": (b"\xff\xfe\x00", "", "not a key in PEM"),
    "prose": (b"the key is in the safe", "", "not a key in PEM"),
}


def key_material(data: bytes) -> list[str]:
    """Return the pieces of a file that an error must not repeat."""
    return [line for line in data.decode("latin-1").splitlines() if len(line) > 30 and "-----" not in line]


@pytest.mark.parametrize(("data", "passphrase", "words"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_file_that_is_no_usable_private_key_is_refused(
    data: bytes, passphrase: str, words: str, tmp_path: Path
) -> None:
    """The message says what it is instead, the advice what to do, and neither repeats what stands in it."""
    path = tmp_path / "key.pem"
    path.write_bytes(data)
    with pytest.raises(ConfigurationError) as caught:
        load(path, KEY_ID, passphrase=passphrase)
    assert words in caught.value.message
    assert caught.value.advice
    assert caught.value.__cause__ is None
    assert not [piece for piece in key_material(data) if piece in str(caught.value)]


def test_a_device_without_an_end_is_no_key() -> None:
    """No more is read of it than a key may be long."""
    with pytest.raises(ConfigurationError, match="not a key in PEM"):
        load(Path("/dev/zero"), KEY_ID)


@pytest.mark.parametrize(
    ("name", "words"), [("missing.pem", "No such file"), (".", "directory"), ("a\0b", "not a path")]
)
def test_a_path_that_cannot_be_read_is_named(name: str, words: str, tmp_path: Path) -> None:
    """Missing, a folder, no path at all."""
    with pytest.raises(ConfigurationError, match=words) as caught:
        load(f"{tmp_path}/{name}", KEY_ID)
    assert str(tmp_path) in caught.value.message


@pytest.mark.parametrize(
    "handed_over",
    [
        "".join(pem().decode().splitlines()[1:-1]),
        "\n".join(pem().decode().splitlines()[1:-1]),
        "".join(pem(ec.generate_private_key(ec.SECP256R1())).decode().splitlines()[1:-1]),
    ],
    ids=["one line", "no frame", "short"],
)
def test_a_key_handed_over_as_a_path_is_not_repeated(handed_over: str) -> None:
    """The text of a key ends up in the place of a path sooner or later."""
    with pytest.raises(ConfigurationError) as caught:
        load(handed_over, KEY_ID)
    assert handed_over[:24] not in str(caught.value).replace("\\\\", "\\")
    assert handed_over[-40:-8] not in str(caught.value)


@pytest.mark.parametrize("data", [pem(), DER], ids=["PEM", "DER"])
def test_a_key_in_base64_is_no_path(data: bytes) -> None:
    """Secrets of CI services are often stored so."""
    with pytest.raises(ConfigurationError, match="neither a path nor PEM") as caught:
        load(b64encode(data).decode(), KEY_ID)
    assert "decode it" in str(caught.value)


SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "as a secret of a CI service": lambda text: text.replace("\n", "\\n"),
    "with Windows' line ends": lambda text: text.replace("\n", "\r\n"),
    "with those, written out": lambda text: text.replace("\n", "\\r\\n"),
    "without its last line end": str.rstrip,
}


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
def test_a_key_is_a_path_or_its_text(spelling: Callable[[str], str], tmp_path: Path) -> None:
    """Whoever takes a key takes both, and only a file has a mode."""
    text = spelling(pem().decode())
    assert same_pair(load(text, KEY_ID), KEYS)
    assert same_pair(MerchantKeys.from_file(text, KEY_ID), KEYS)
    assert [row for row in check(text, KEY_ID) if not row.ok or "File mode" in row.text] == []
    path = save(KEYS, tmp_path / "key.pem")
    assert any("File mode 0600" in row.text for row in check(str(path), KEY_ID))


@pytest.mark.parametrize("write", [save, save_public])
def test_no_file_is_called_like_a_key(write: Callable[..., Path], tmp_path: Path) -> None:
    """The text of a key where a file should be named is refused, and not repeated."""
    with pytest.raises(ConfigurationError, match="Name the file") as caught:
        write(KEYS, pem().decode())
    assert "MII" not in str(caught.value)


def test_a_home_folder_may_be_written_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable is not expanded by a shell; the name of an unknown user stays as it is."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert source("~/key.pem") == tmp_path / "key.pem"
    assert source("~nobody-of-this-name/key.pem") == Path("~nobody-of-this-name/key.pem")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.binary() | st.integers(0, len(pem())).map(lambda at: pem()[:at] + b"?" + pem()[at + 1 :]))
def test_any_bytes_are_a_key_or_a_configuration_error(data: bytes) -> None:
    """A parser's own exceptions do not get out."""
    with suppress(ConfigurationError):
        assert same_pair(load(data, KEY_ID), KEYS)


# ---- writing -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("passphrase", ["", PASSPHRASE])
def test_what_is_saved_is_read_again(passphrase: str, tmp_path: Path) -> None:
    """The same pair, and nothing else left in the folder."""
    path = save(KEYS, str(tmp_path / "key.pem"), passphrase=passphrase)
    assert same_pair(load(path, KEY_ID, passphrase=passphrase), KEYS)
    assert (b"ENCRYPTED" in path.read_bytes()) is bool(passphrase)
    assert list(tmp_path.iterdir()) == [path]


def test_a_key_pair_comes_from_a_file(tmp_path: Path) -> None:
    """The class reads what `save` has written, in one call."""
    path = save(KEYS, tmp_path / "private.pem", passphrase="open sesame")
    assert same_pair(MerchantKeys.from_file(str(path), KEY_ID, passphrase="open sesame"), KEYS)


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_only_the_owner_can_read_a_private_key(mask: int, tmp_path: Path) -> None:
    """Whatever the process's mask; the public key is for everybody."""
    before = os.umask(mask)
    try:
        private, public = save(KEYS, tmp_path / "key.pem"), save_public(KEYS, tmp_path / "public.pem")
    finally:
        os.umask(before)
    assert private.stat().st_mode & 0o777 == 0o600
    assert public.stat().st_mode & 0o777 == 0o644 & ~mask
    assert public.read_text("ascii") == KEYS.public_pem


@pytest.mark.parametrize("write", [save, save_public])
def test_a_file_is_replaced_only_when_told_so(write: Callable[..., Path], tmp_path: Path) -> None:
    """Amazon shows a private key once: a lost one does not come back."""
    path = tmp_path / "key.pem"
    path.write_text("precious", "ascii")
    with pytest.raises(ConfigurationError, match="there already"):
        write(KEYS, path)
    assert (path.read_text("ascii"), list(tmp_path.iterdir())) == ("precious", [path])
    assert write(KEYS, path, overwrite=True) == path
    assert "precious" not in path.read_text("ascii")
    assert list(tmp_path.iterdir()) == [path]


def test_replacing_a_readable_file_makes_it_private(tmp_path: Path) -> None:
    """The mode is that of the new file, not of the old one."""
    path = tmp_path / "key.pem"
    path.touch(0o644)
    assert save(KEYS, path, overwrite=True).stat().st_mode & 0o777 == 0o600


def test_no_file_takes_the_place_of_a_device(tmp_path: Path) -> None:
    """Root may do that, and in a container everybody is root."""
    os.mkfifo(pipe := tmp_path / "pipe")
    for place in (pipe, Path("/dev/amazonpay-nb")):
        with pytest.raises(ConfigurationError, match=f"{place} is no place for a file"):
            save(KEYS, place, overwrite=True)
    assert pipe.is_fifo()


@pytest.mark.parametrize("name", ["missing/key.pem", "file/key.pem", "."])
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_place_that_cannot_be_written_is_refused(name: str, overwrite: bool, tmp_path: Path) -> None:
    """No such folder, a file in the place of a folder, a folder in the place of the file."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError) as caught:
        save(KEYS, tmp_path / name, overwrite=overwrite)
    assert caught.value.advice
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


# ---- checking ----------------------------------------------------------------------------------------------------


def failures(*arguments: object, **options: str) -> str:
    return " ".join(row.text for row in check(*arguments, **options) if not row.ok)  # type: ignore[arg-type]


@pytest.mark.parametrize("environment", ["emulator", "sandbox"])
@pytest.mark.parametrize("region", ["na", "eu", "jp", "uk"])
def test_a_good_pair_has_only_good_rows(environment: str, region: str, tmp_path: Path) -> None:
    """As a pair, a file, and text; a file has a row more, for its mode."""
    path = save(KEYS, tmp_path / "key.pem")
    rows = [check(source, KEY_ID, region=region, environment=environment) for source in (KEYS, path, path.read_text())]
    assert [len(each) for each in rows] == [5, 6, 5]
    assert [row for each in rows for row in each if not row.ok] == []
    assert KEYS.fingerprint in rows[0][0].text
    assert "File mode 0600: only its owner can read the file." in [row.text for row in rows[1]]


def test_a_pair_is_checked_under_its_own_id() -> None:
    """Unless another one is given."""
    assert failures(KEYS) == ""
    assert "'nonsense'" in failures(KEYS, "nonsense")


@pytest.mark.parametrize("public_key_id", ["", "AHDEVKEY0002", KEY_ID.lower(), f"TEST-{KEY_ID}", f"{KEY_ID}\n"])
def test_a_malformed_id_is_found(public_key_id: str) -> None:
    """24 capitals or digits, with or without a prefix."""
    assert "has not the form" in failures(replace(KEYS, public_key_id=public_key_id))


@pytest.mark.parametrize(
    ("prefix", "fits"),
    [("SANDBOX-", {"emulator", "sandbox"}), ("LIVE-", {"live"}), ("", {"emulator", "sandbox", "live"})],
)
def test_the_prefix_must_fit_the_environment(prefix: str, fits: set[str]) -> None:
    """A neutral key fits every environment that exists."""
    keys = with_id(KEYS, KEY_ID.replace("SANDBOX-", prefix))
    environments = ("emulator", "sandbox", "live", "production")
    kind = f"A {prefix.rstrip('-').lower()} key" if prefix else "A neutral key"
    assert [row.text.partition(" fits")[0] for row in check(keys, environment=min(fits)) if " fits " in row.text] == [
        kind
    ]
    assert {name for name in environments if not failures(keys, environment=name)} == fits


def test_an_unknown_region_is_found() -> None:
    """The row lists the regions there are."""
    assert "na" in failures(KEYS, region="mars")


def test_a_file_that_others_can_read_is_found(tmp_path: Path) -> None:
    """The row says which command repairs it."""
    path = save(KEYS, tmp_path / "key.pem")
    path.chmod(0o644)
    assert failures(path, KEY_ID) == "File mode 0644: others can read the file: chmod 600."


def test_an_unreadable_file_is_a_row_and_not_an_exception(tmp_path: Path) -> None:
    """The id is checked all the same."""
    rows = check(tmp_path / "missing.pem", KEY_ID)
    assert [row.ok for row in rows] == [False, True, True, True]
    assert "cannot be read" in rows[0].text


def test_a_longer_key_than_amazon_asks_for_is_found() -> None:
    """It can be read, but the upload will be refused."""
    longer = MerchantKeys(KEY_ID, rsa.generate_private_key(public_exponent=65537, key_size=3072))
    assert "3072 bits" in failures(longer)


def test_an_encrypted_file_is_checked_with_its_passphrase(tmp_path: Path) -> None:
    """Without it there is nothing to see."""
    path = save(KEYS, tmp_path / "key.pem", passphrase=PASSPHRASE)
    assert failures(path, KEY_ID, passphrase=PASSPHRASE) == ""
    assert "encrypted" in failures(path, KEY_ID)
