"""Signs every request of an httpx client, for the environment of its key, and names it with an idempotency key."""

import uuid
from collections.abc import Callable, Generator
from datetime import UTC, datetime

import httpx

from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.signing import format_date, sign_request
from amazonpay_nb.signing.keys import MerchantKeys
from amazonpay_nb.spec.regions import REGIONS

Clock = Callable[[], datetime]
_HOSTS = {row.api_host: row.code for row in REGIONS.values()}


class AmazonPayAuth(httpx.Auth):
    """Signs requests with a key pair, whose id decides between ``/v2/…`` and ``/sandbox/v2/…``; the clock is aware.

    Spec: "Signing requests".
    """

    requires_request_body = True

    def __init__(self, keys: MerchantKeys, *, clock: Clock = lambda: datetime.now(UTC)) -> None:
        if not isinstance(keys, MerchantKeys):  # the text of a key, or its path
            advice = "Read one: MerchantKeys.from_file(path_or_pem, public_key_id)."
            raise ConfigurationError("Requests are signed with a key pair.", advice=advice)
        self.keys = keys
        self.clock = clock

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the signed headers and the signature; called by httpx."""
        headers = request.headers
        headers["accept"] = headers["content-type"] = "application/json"
        headers["x-amz-pay-date"] = format_date(self.clock())
        headers["x-amz-pay-host"] = request.url.host
        headers.setdefault("x-amz-pay-region", _HOSTS.get(request.url.host, "na"))
        path, _, query = request.url.raw_path.decode("ascii").partition("?")
        headers["authorization"] = sign_request(
            request.method, path, query, headers.multi_items(), request.content,
            self.keys.private_key, self.keys.public_key_id, self.keys.algorithm,
        )  # fmt: skip
        yield request


def new_idempotency_key() -> str:
    """Return a fresh key of 32 hexadecimal digits, the longest that Amazon accepts."""
    return uuid.uuid4().hex


def environment_segment(keys: MerchantKeys, environment: str, allow_live: bool) -> str:
    """Return the first part of each path, "" where the key names the environment, or raise `ConfigurationError`."""
    if environment not in ("emulator", "sandbox", "live"):
        raise ConfigurationError(f"No environment {environment!r} exists.", advice="Choose emulator, sandbox or live.")
    if environment == "live" and not allow_live:
        raise ConfigurationError("Live moves real money.", advice="If you want that, pass allow_live=True as well.")
    wanted = "live" if environment == "live" else "sandbox"
    if keys.environment not in (None, wanted):
        raise ConfigurationError(
            f"The key {keys.public_key_id} is for {keys.environment}, not for {environment}.",
            advice="Use a key of that environment, or change the environment.",
        )
    return "" if keys.environment else f"/{wanted}"
