"""How much of a signature is the signature."""

import subprocess
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from amazonpay_nb import signing
from amazonpay_nb.signing import keys
from bench.measure import Result, Target, Unavailable, alternate, compare, per_second, say, skipped
from bench.others import node

__all__ = ["measure_signatures"]

BODY = b'{"chargePermissionId":"B01-0000000-0000000","chargeAmount":{"amount":"0.01","currencyCode":"USD"}}'
HEADERS = (
    ("accept", "application/json"),
    ("content-type", "application/json"),
    ("x-amz-pay-host", "pay-api.amazon.com"),
    ("x-amz-pay-idempotency-key", "0123456789abcdef0123456789abcdef"),
    ("x-amz-pay-region", "na"),
)
KEY_ID = "SANDBOX-BENCH"
NODE_SCRIPT = Path(__file__).parent / "sign_with_node.js"
RAW = "(b) signed requests over bare RSA-PSS"
SDK = "(b) signed requests over Amazon's Node SDK"


def write_key(path: Path) -> RSAPrivateKey:
    """Write a new private key as PEM, readable by its owner only, and return it."""
    key = generate_private_key(public_exponent=65537, key_size=2048)
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return key


def raw_rate(key: RSAPrivateKey, count: int) -> float:
    """Return how many strings to sign a second the library signs when nothing else is done."""
    scheme, digest, text = PSS(MGF1(SHA256()), 32), SHA256(), b"AMZN-PAY-RSASSA-PSS-V2\n" + b"0" * 64
    return per_second(lambda: key.sign(text, scheme, digest), count)


def node_rate(command: list[str | Path], count: int) -> float:
    """Return how many requests a second the SDK signs, measured inside Node after a warm-up."""
    done = subprocess.run([*command, str(count)], capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "Error" in line]
        raise Unavailable(f"Node failed: {lines[:1]}")
    return float(done.stdout)


def measure_signatures(*, quick: bool) -> list[Result]:
    """(b) Complete signed headers a second over bare signatures, and over the official SDK's headers."""
    # Short turns and many: a neighbor on the machine then disturbs both sides alike.
    rounds, node_rounds, count = (10, 2, 100) if quick else (100, 10, 100)
    say(f"(b) signatures, {rounds} rounds of {count}")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "key.pem"
        key = write_key(path)
        merchant = keys.load(path, KEY_ID)

        def sign() -> object:
            # As much as the SDK does: today's date among the headers, and the whole signature.
            headers = [*HEADERS, ("x-amz-pay-date", signing.format_date(datetime.now(UTC)))]
            return signing.sign_request(
                "POST",
                "/v2/charges",
                "",
                headers,
                BODY,
                merchant.private_key,
                merchant.public_key_id,
                merchant.algorithm,
            )

        ours = partial(per_second, sign, count)
        raw = partial(raw_rate, key, count)
        results = [compare(RAW, alternate(rounds, ours, raw), "{:.0f}/s", "`cryptography`", Target("≥", 0.9))]
        try:
            command, modules = node()
            sdk = modules / "@amazonpay" / "amazon-pay-api-sdk-nodejs"
            theirs = partial(node_rate, [command, NODE_SCRIPT, sdk, path], 5 * count)
            rates = alternate(node_rounds, ours, theirs)
        except Unavailable as reason:
            return [*results, skipped(SDK, reason)]
        return [*results, compare(SDK, rates, "{:.0f}/s", "Node SDK", Target(">", 1.0))]
