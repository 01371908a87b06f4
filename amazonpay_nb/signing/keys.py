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
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.spec.regions import region as region_of

KEY_BITS = 2048
# The value of signing.Algorithm.V2: keys and signing are on the same level and do not import each other.
_V2 = "AMZN-PAY-RSASSA-PSS-V2"
_KEY_ID = re.compile(r"(SANDBOX-|LIVE-)?[A-Z0-9]{24}")
_LIKE_A_SECRET = re.compile(r"[\w+/=\\-]{64,}")
# The key environment that each of our environments accepts, in addition to a neutral key.
_TAKES = {"emulator": "sandbox", "sandbox": "sandbox", "live": "live"}


@dataclass(frozen=True)
class MerchantKeys:
    """A key pair and the id under which Amazon knows its public half.

    Attributes:
        public_key_id: For example ``SANDBOX-AFVX7ULWSGBZ5535PCUQOY7B``.
        algorithm: What to sign with, one of `signing.Algorithm`.
    """

    public_key_id: str
    private_key: RSAPrivateKey = field(repr=False)
    algorithm: str = _V2

    @classmethod
    def from_file(cls, path: Path | str, public_key_id: str, *, passphrase: str | None = None) -> "MerchantKeys":
        """Return the key pair of a private key file, as `load` reads it.

        Raises:
            ConfigurationError: There is no usable private key; the advice says how to get one.
        """
        return load(Path(path), public_key_id, passphrase=passphrase)

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
        """``sandbox`` or ``live`` by the prefix of the id; None for a neutral key.

        Spec: "Signing requests".
        """
        return _environment(self.public_key_id)


class Finding(NamedTuple):
    """One row of a check."""

    ok: bool
    text: str


def generate(public_key_id: str = "") -> MerchantKeys:
    """Return a new key pair; it has no id until Amazon, or the emulator, gives it one."""
    return MerchantKeys(public_key_id, generate_private_key(public_exponent=65537, key_size=KEY_BITS))


def with_id(keys: MerchantKeys, public_key_id: str) -> MerchantKeys:
    """Return the same key pair under another id."""
    return replace(keys, public_key_id=public_key_id)


def load(
    path_or_pem: Path | str | bytes, public_key_id: str, *, passphrase: str | None = None, algorithm: str = _V2
) -> MerchantKeys:
    """Return the key pair of a private key: PKCS#1 or PKCS#8 in PEM, encrypted or not.

    Args:
        path_or_pem: The path of a file, or the PEM itself.
    Raises:
        ConfigurationError: There is no usable private key; the advice says how to get one.
    """
    data = _read(path_or_pem)
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
    """Write the private key as PKCS#8, readable by its owner only, wholly or not at all.

    Raises:
        ConfigurationError: The file is there already and *overwrite* is not set, or it cannot be written.
    """
    encryption: KeySerializationEncryption = NoEncryption()
    if passphrase:
        encryption = BestAvailableEncryption(passphrase.encode())
    pem = keys.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    return write_file(Path(path), pem, mode=0o600, overwrite=overwrite)


def save_public(keys: MerchantKeys, path: Path | str, *, overwrite: bool = False) -> Path:
    """Write the public key as PEM: the file to upload to Amazon.

    Raises:
        ConfigurationError: As for `save`.
    """
    return write_file(Path(path), keys.public_pem.encode(), mode=0o644, overwrite=overwrite)


def check(
    keys_or_path: MerchantKeys | Path | str | bytes,
    public_key_id: str = "",
    *,
    region: str = "na",
    environment: str = "emulator",
    passphrase: str | None = None,
) -> list[Finding]:
    """Return what is right and wrong with a key pair, a row each; raises nothing for a bad one.

    Args:
        keys_or_path: A key pair, or anything that `load` takes.
        public_key_id: The id, where it does not come with a key pair.
    """
    if isinstance(keys_or_path, MerchantKeys):
        keys, public_key_id = keys_or_path, public_key_id or keys_or_path.public_key_id
        rows = _key_rows(keys)
    else:
        rows = _file_rows(keys_or_path, passphrase)
    return [*rows, *_id_rows(public_key_id, region, environment)]


_DOWNLOAD = "Use the private key that Amazon let you download, or make a pair with `amazonpay-nb keys new`."
_MAKE_ONE = f"Make an RSA key of {KEY_BITS} bits: `amazonpay-nb keys new`."
# Files without a private key: a mark, the message, the advice. Looked up in this order.
_NO_PRIVATE_KEY = (
    (b"-----BEGIN CERTIFICATE-----", "This is a certificate, not a private key.", _DOWNLOAD),
    (b"PUBLIC KEY-----", "This is a public key, not a private key.", _DOWNLOAD),
    (
        b"OPENSSH PRIVATE KEY-----",
        "This is a key in OpenSSH's own format.",
        "Convert it: `ssh-keygen -p -m PEM -f FILE`.",
    ),
    (b"PRIVATE KEY-----", "The PEM of the private key is damaged.", "Copy it again, whole, with its line breaks."),
    (b"", "This is not a key in PEM.", "The file must be text that starts with a BEGIN PRIVATE KEY line."),
)


def _read(path_or_pem: Path | str | bytes) -> bytes:
    if isinstance(path_or_pem, bytes):
        return path_or_pem
    text = str(path_or_pem)
    if "-----" in text or "\n" in text:
        return text.encode("utf-8", "replace")
    # Text that looks like part of a key is not repeated.
    name = "" if _LIKE_A_SECRET.fullmatch(text) else f" {text!r}"
    try:
        data = Path(text).read_bytes()
    except (OSError, ValueError) as error:
        message = f"The private key{name} cannot be read: {getattr(error, 'strerror', 'not a path')}."
        raise ConfigurationError(message, advice="Give the path of a PEM file that you may read.") from None
    if not data.strip():
        raise ConfigurationError(f"The private key{name} is an empty file.", advice=_DOWNLOAD)
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
    message, advice = next((message, advice) for mark, message, advice in _NO_PRIVATE_KEY if mark in data)
    return ConfigurationError(message, advice=advice)


def write_file(path: Path, data: bytes, *, mode: int, overwrite: bool) -> Path:
    """Write a file under a new name first, so that an existing file lends it neither mode nor owner.

    Raises:
        ConfigurationError: As for `save`.
    """
    temporary = path.parent / f".{path.name}.{secrets.token_hex(8)}"
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # Creating a hard link fails if the file exists, so there is no gap between check and creation.
        (os.replace if overwrite else os.link)(temporary, path)
    except FileExistsError:
        raise ConfigurationError(f"{path} is there already.", advice="Choose another name, or overwrite it.") from None
    except OSError as error:
        message = f"{path} cannot be written: {error.strerror}."
        raise ConfigurationError(message, advice="Choose a folder that you may write to.") from None
    finally:
        with suppress(OSError):
            temporary.unlink()
    return path


def _environment(public_key_id: str) -> str | None:
    prefixes = (name for name in ("sandbox", "live") if public_key_id.lower().startswith(name))
    return next(prefixes, None)


def _file_rows(path_or_pem: Path | str | bytes, passphrase: str | None) -> list[Finding]:
    try:
        rows = _key_rows(load(path_or_pem, "", passphrase=passphrase))
    except ConfigurationError as error:
        return [Finding(False, f"{error.message} {error.advice}")]
    if isinstance(path_or_pem, Path) or (isinstance(path_or_pem, str) and "-----" not in path_or_pem):
        mode = Path(path_or_pem).stat().st_mode & 0o777
        advice = "only its owner can read the file" if mode & 0o077 == 0 else "others can read the file: chmod 600"
        rows.append(Finding(mode & 0o077 == 0, f"File mode {mode:04o}: {advice}."))
    return rows


def _key_rows(keys: MerchantKeys) -> list[Finding]:
    bits = keys.private_key.key_size
    return [
        Finding(True, f"The private key can be read; its fingerprint is {keys.fingerprint}."),
        Finding(bits == KEY_BITS, f"It is an RSA key of {bits} bits; Amazon Pay asks for {KEY_BITS}."),
    ]


def _id_rows(public_key_id: str, region: str, environment: str) -> list[Finding]:
    formed = bool(_KEY_ID.fullmatch(public_key_id))
    form = "24 capitals or digits, after SANDBOX- or LIVE- if the key is for one environment"
    belongs = _environment(public_key_id)
    fits = environment in _TAKES and belongs in (None, _TAKES[environment])
    kind = f"a {belongs} key" if belongs else "a neutral key"
    return [
        Finding(formed, f"The public key id {public_key_id!r} has {'the' if formed else 'not the'} form: {form}."),
        Finding(fits, f"{kind} {'fits' if fits else 'does not fit'} the environment {environment}.".capitalize()),
        _region_row(region),
    ]


def _region_row(region: str) -> Finding:
    try:
        found = region_of(region)
    except ValueError as error:
        return Finding(False, f"The region is wrong: {error}.")
    return Finding(True, f"The region is {found.name}; the key must be registered there.")
