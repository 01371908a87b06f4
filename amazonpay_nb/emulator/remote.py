"""A running emulator from outside: what its ready file says, and its control interface."""

import json
import ssl
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from amazonpay_nb.limits import whole
from amazonpay_nb.loopback import http_client
from amazonpay_nb.spec.addresses import LOOPBACK_HOSTS, host_of
from amazonpay_nb.spec.data import start_of

# Bytes: an advance of the clock names all that fell due, which can be 100,000 events and more.
_LONGEST_ANSWER = 128 * 1024 * 1024


class ControlError(Exception):
    """The control interface refused; the message says why."""


class Control:
    """The control interface, from Python; docs/control.md describes its calls."""

    def __init__(self, url: str, token: str, verify: ssl.SSLContext) -> None:
        self.url, self.token = url, token
        self._http = http_client(headers={"Authorization": f"Bearer {token}"}, verify=verify, timeout=60)

    @classmethod
    def of(cls, ready_file: Path) -> Self:
        """Return that of the emulator of a ready file, or raise a ValueError: a token is for this machine alone."""
        with suppress(ValueError, TypeError, KeyError, AttributeError, RecursionError):
            ready = json.loads(start_of(ready_file))
            url, token, authority = ready["controlUrl"], ready["controlToken"], ready.get("caFile")
            if host_of(urlsplit(url).netloc) in LOOPBACK_HOSTS:
                client = ssl.PROTOCOL_TLS_CLIENT
                verify = ssl.create_default_context(cafile=authority) if authority else ssl.SSLContext(client)
                return cls(url, token, verify)
        raise ValueError(f"{ready_file} describes no emulator on this machine.")

    def get(self, path: str) -> Any:
        """Read something."""
        return self._answer("GET", path)

    def post(self, path: str, **body: Any) -> Any:
        """Change something."""
        return self._answer("POST", path, json=body)

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def _answer(self, method: str, path: str, **content: Any) -> Any:
        request = self._http.build_request(method, f"{self.url}/{path}", **content)
        response = whole(self._http, request, longest=_LONGEST_ANSWER)
        try:
            answer: dict[str, Any] = {**response.json()}
        except (ValueError, TypeError, RecursionError):
            raise ControlError(f"No emulator answers at {self.url}.") from None
        if response.is_error:
            raise ControlError(answer.get("error", answer))
        return answer


class ClockControl:
    """The emulator's clock."""

    def __init__(self, control: Control) -> None:
        self._control = control

    def now(self) -> datetime:
        """Return the emulator's time."""
        return datetime.fromisoformat(self._control.get("clock")["now"])

    def advance(self, duration: str = "", *, days: int = 0, hours: int = 0, seconds: int = 0) -> list[dict[str, str]]:
        """Move virtual time, by ``"PT24H"`` as by ``hours=24``, and return what fell due, in order."""
        by = duration or f"P{days}DT{hours}H{seconds}S"
        fired: list[dict[str, str]] = self._control.post("clock", advance=by)["fired"]
        return fired
