"""A merchant's key pair: generate it, read it, save it, and find out what is wrong with it.

Amazon accepts RSA keys of 2048 bits and shows a private key only once. Nothing here prints one: not a representation,
not an error, not a fingerprint.

Spec: "Signing requests".
"""

import os
import re
import secrets
from base64 import b64encode
from contextlib import suppress
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.signing.sentences import OTHER_FILES
from amazonpay_nb.signing.steps import Algorithm
from amazonpay_nb.spec.data import start_of
from amazonpay_nb.spec.regions import region as region_of

__tracebackhide__ = True  # a report of pytest shows what frames were called with: here, keys and passphrases
KEY_BITS = 2048
_KEY_ID = re.compile(r"(SANDBOX-|LIVE-)?[A-Z0-9]{24}")


@dataclass(frozen=True)
class MerchantKeys:
    """A key pair and the id under which Amazon knows its public half."""

    public_key_id: str  #: for example SANDBOX-AFVX7ULWSGBZ5535PCUQOY7B
    private_key: RSAPrivateKey = field(repr=False)
    algorithm: str = Algorithm.V2.value

    @classmethod
    def from_file(cls, path: Path | str, public_key_id: str, *, passphrase: str | None = None) -> "MerchantKeys":
        """Return the key pair of a private key file; see `load`."""
        return load(path, public_key_id, passphrase=passphrase)

    @property
    def public_pem(self) -> str:
        """The public half, as it is uploaded to Amazon."""
        return self.private_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    @property
    def fingerprint(self) -> str:
        """``SHA256:`` and the base64 hash of the public half: identifies the key and reveals nothing."""
        der = self.private_key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return "SHA256:" + b64encode(sha256(der).digest()).decode().rstrip("=")

    @property
    def environment(self) -> str | None:
        """``sandbox`` or ``live`` by the prefix of the id; None for a neutral key."""
        return key_environment(self.public_key_id)


class Finding(NamedTuple):
    """One row of a check."""

    ok: bool
    text: str


def key_environment(public_key_id: str) -> str | None:
    """Return ``sandbox`` or ``live`` by the prefix of a public key id; None for a neutral key."""
    prefix = re.match("sandbox|live", public_key_id.lower())
    return prefix and prefix[0]


def generate(public_key_id: str = "") -> MerchantKeys:
    """Return a new key pair; it has no id until Amazon, or the emulator, gives it one."""
    return MerchantKeys(public_key_id, generate_private_key(public_exponent=65537, key_size=KEY_BITS))


def with_id(keys: MerchantKeys, public_key_id: str) -> MerchantKeys:
    """Return the same key pair under another id."""
    return replace(keys, public_key_id=public_key_id)


def source(path_or_pem: Path | str | bytes) -> Path | bytes:
    r"""Return where a private key comes from: the path of its file, or the text itself, which no path is made of.

    Args:
        path_or_pem: As a person or a variable says it.  Text with a line end or ``-----`` is PEM; a line end may be
            written as the two characters ``\n``, as in the secrets of a CI service.
    """
    if isinstance(path_or_pem, bytes):
        return path_or_pem
    text = str(path_or_pem)
    if "-----" in text or "\n" in text:
        return text.replace("\\r", "").replace("\\n", "\n").encode("utf-8", "replace")
    return Path(os.path.expanduser(text))  # noqa: PTH111 (leaves an unknown user's name as it is)


def load(
    path_or_pem: Path | str | bytes, public_key_id: str, *, passphrase: str | None = None,
    algorithm: str = Algorithm.V2.value,
) -> MerchantKeys:  # fmt: skip
    """Return the key pair of a private key, PKCS#1 or PKCS#8 in PEM, encrypted or not, or of its file: see `source`.

    Raises:
        ConfigurationError: There is no usable private key; the advice says how to get one.
    """
    origin = source(path_or_pem)
    data = _read(origin) if isinstance(origin, Path) else origin
    password = passphrase.encode() if passphrase else None
    try:
        private_key = load_pem_private_key(data, password)
    except (TypeError, ValueError, UnsupportedAlgorithm) as error:
        # The cause is not chained: a parser's message may quote secret bytes.
        raise _unreadable(data, password, error) from None
    if not isinstance(private_key, RSAPrivateKey):
        raise ConfigurationError("The private key is not an RSA key.", advice=_MAKE_ONE)
    if private_key.key_size < KEY_BITS:
        size = f"The private key has {private_key.key_size} bits; Amazon Pay asks for {KEY_BITS}."
        raise ConfigurationError(size, advice=_MAKE_ONE)
    return MerchantKeys(public_key_id, private_key, algorithm)


def save(keys: MerchantKeys, path: Path | str, *, passphrase: str | None = None, overwrite: bool = False) -> Path:
    """Write the private key as PKCS#8, for its owner only; raise `ConfigurationError` where a file is there already."""
    encryption = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    pem = keys.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    return write_file(_place(path), pem, mode=0o600, overwrite=overwrite)


def save_public(keys: MerchantKeys, path: Path | str, *, overwrite: bool = False) -> Path:
    """Write the public key as PEM, the file to upload to Amazon; otherwise like `save`."""
    return write_file(_place(path), keys.public_pem.encode(), mode=0o644, overwrite=overwrite)


def save_pair(keys: MerchantKeys, path: Path | str, *, passphrase: str | None = None) -> tuple[Path, Path]:
    """Write both halves to new files, the public one beside the private as ``.pub``, or none; see `save`."""
    private = save(keys, path, passphrase=passphrase)
    try:
        return private, save_public(keys, private.with_name(private.name + ".pub"))
    except ConfigurationError:
        private.unlink()  # half a pair is of no use
        raise


def _place(path: Path | str) -> Path:
    place = source(path)
    if not isinstance(place, Path):
        raise ConfigurationError("That is a key, not the name of a file.", advice="Name the file to write.")
    return place


def check(
    keys_or_path: MerchantKeys | Path | str | bytes, public_key_id: str = "", *, region: str = "na",
    environment: str = "emulator", passphrase: str | None = None,
) -> list[Finding]:  # fmt: skip
    """Return what is right and wrong with a key pair, or with anything that `load` takes, a row each; raise nothing."""
    origin = keys_or_path if isinstance(keys_or_path, MerchantKeys) else source(keys_or_path)
    rows = []
    try:
        keys = origin if isinstance(origin, MerchantKeys) else load(origin, "", passphrase=passphrase)
        bits = keys.private_key.key_size
        public_key_id = public_key_id or keys.public_key_id
        rows.append(Finding(True, f"The private key can be read; its fingerprint is {keys.fingerprint}."))
        rows.append(Finding(bits == KEY_BITS, f"It is an RSA key of {bits} bits; Amazon Pay asks for {KEY_BITS}."))
        if isinstance(origin, Path):
            mode = origin.stat().st_mode & 0o777
            private = mode & 0o077 == 0
            readers = "only its owner can read the file" if private else "others can read the file: chmod 600"
            rows.append(Finding(private, f"File mode {mode:04o}: {readers}."))
    except ConfigurationError as error:
        rows.append(Finding(False, f"{error.message} {error.advice}"))
    form = "24 capitals or digits, after SANDBOX- or LIVE- if the key is for one environment"
    formed = bool(_KEY_ID.fullmatch(public_key_id))
    has = "has" if formed else "has not"
    rows.append(Finding(formed, f"The public key id {public_key_id!r} {has} the form: {form}."))
    key_kind = key_environment(public_key_id)
    # The emulator takes the keys of the Sandbox.
    wanted = {"emulator": "sandbox", "sandbox": "sandbox", "live": "live"}.get(environment)
    fits = wanted is not None and key_kind in (None, wanted)
    fit = "fits" if fits else "does not fit"
    rows.append(Finding(fits, f"A {key_kind or 'neutral'} key {fit} the environment {environment}."))
    try:
        rows.append(Finding(True, f"The region is {region_of(region).name}; the key must be registered there."))
    except ValueError as error:
        rows.append(Finding(False, f"The region is wrong: {error}."))
    return rows


_DOWNLOAD = "Use the private key that Amazon let you download, or make a pair with `amazonpay-nb keys new`."
_LONG_PATH = 1000  # characters: less than any key of KEY_BITS in Base64
_NEITHER = "PEM begins with -----BEGIN. If it was encoded once more, as for a secret of a CI service, decode it."
_MAKE_ONE = f"Make an RSA key of {KEY_BITS} bits: `amazonpay-nb keys new`."


def _read(path: Path) -> bytes:
    try:
        data = start_of(path)
    except (OSError, ValueError) as error:
        if len(str(path)) > _LONG_PATH:
            raise ConfigurationError("The private key is neither a path nor PEM.", advice=_NEITHER) from None
        message = f"The private key {str(path)!r} cannot be read: {getattr(error, 'strerror', 'not a path')}."
        raise ConfigurationError(message, advice="Give the path of a PEM file that you may read.") from None
    if not data.strip():
        raise ConfigurationError(f"The private key {str(path)!r} is an empty file.", advice=_DOWNLOAD)
    return data


def _unreadable(data: bytes, password: bytes | None, error: Exception) -> ConfigurationError:
    encrypted = b"ENCRYPTED" in data
    if encrypted and password is None:
        return ConfigurationError("The private key is encrypted.", advice="Give its passphrase.")
    if encrypted and isinstance(error, ValueError):
        advice = "Check the passphrase; if it is right, copy the file again."
        return ConfigurationError("The passphrase does not open the private key.", advice=advice)
    if isinstance(error, TypeError):
        return ConfigurationError("The private key is not encrypted.", advice="Leave the passphrase out.")
    other = next(row for row in OTHER_FILES if row["mark"].encode() in data)
    return ConfigurationError(other["message"], advice=other.get("advice", _DOWNLOAD))


def check_place(path: Path) -> None:
    """Raise `ConfigurationError` where a file would take the place of a device, which root may do."""
    there = os.path.exists(path)  # noqa: PTH110 (its folder may be closed to us)
    if path.absolute().parent == Path("/dev") or (there and not (path.is_file() or path.is_dir())):
        raise ConfigurationError(f"{path} is no place for a file.", advice="Name a file, which may be there already.")


def write_file(path: Path, data: bytes, *, mode: int, overwrite: bool) -> Path:
    """Write a file under a new name first, so that an existing file lends it neither mode nor owner; see `save`."""
    check_place(path)
    temporary = path.parent / f".{path.name}.{secrets.token_hex(8)}"
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # Creating a hard link fails if the file exists, so there is no gap between check and creation.
        (os.replace if overwrite else os.link)(temporary, path)
    except FileExistsError:
        raise ConfigurationError(f"{path} is there already.", advice="Choose another name.") from None
    except OSError as error:
        message = f"{path} cannot be written: {error.strerror}."
        raise ConfigurationError(message, advice="Choose a folder that you may write to.") from None
    finally:
        with suppress(OSError):
            temporary.unlink()
    return path
