"""Mask secrets and buyer data, so that nothing shown, logged or stored contains them.

A mask keeps None and the empty string: an unset field is worth seeing and reveals nothing.
"""

import json
import logging
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from amazonpay_nb.signing.steps import read_authorization

_MASKED = re.compile(r"\(\d+ characters\)|\(hidden\)")


def _length(value: Any) -> str:
    # Masking twice must change nothing: the client may have masked the headers already.
    return str(value) if _MASKED.fullmatch(str(value)) else f"({len(str(value))} characters)"


def _buyer_id(value: Any) -> str:
    # The end is enough to tell two buyers apart, but it would reveal a short identifier.
    prefix, dot, account = str(value).rpartition(".")
    if account.startswith("…"):
        return str(value)
    return f"{prefix}{dot}…{account[-4:] if len(account) >= 12 else ''}"


def _authorization(value: Any) -> str:
    parts = read_authorization(str(value))
    if parts is None or not parts.algorithm.startswith("AMZN-PAY-"):
        return _length(value)
    return str(parts._replace(signature=_length(parts.signature)))


# Field or header, in lower case without "-" and "_"  ->  how it is masked.
_PERSON = ("name", "email", "phonenumber")
_PLACE = ("addressline1", "addressline2", "addressline3", "city", "county", "district", "districtorcounty")
_MASKS: dict[str, Callable[[Any], str]] = {
    **dict.fromkeys((*_PERSON, *_PLACE, "stateorregion", "postalcode"), lambda _: "(hidden)"),
    "buyerid": _buyer_id,
    "authorization": _authorization,
}
_SECRET_KEY = re.compile(r"(?:token|signature|cookie|api-?key)s?$|secret|password|passphrase|credential|privatekey")

# Secrets inside a text: Amazon's messages quote the signature, and addresses carry tokens.
# The first group of each pattern stays, the second is masked.
_SECRET_TEXT = (
    re.compile(r"()(-----BEGIN [^-]+-----(?s:.*?)(?:-----END [^-]+-----|\Z))"),
    re.compile(r"(/buyers/|/authorizationTokens/)(?!\(\d+ char)([^\s/?#\"]+)"),
    re.compile(r"((?i:token=|signature=|secret=|password=|\bbearer ))(?!\(\d+ char)([^\s&#\",;]+)"),
    re.compile(r"()((?:[A-Za-z0-9_+/%-]|\\/){120,}={0,2})"),
    re.compile(r"()([\w.!#$%'*+^`{|}~-]{0,64}(?:@|%40)[\w-]+(?:\.[\w-]+)+)"),
)
# Every text that one of them changes, and all JSON, contains one of these marks; most texts contain none.
_MARKS = re.compile(r"^\s*[{\[]|-----BEGIN |/buyers/|/authorizationTokens/|(?i:[netd]=|bearer )|[\w+/%\\-]{120}|@|%40")


def redact(value: Any) -> Any:
    """Return a deep copy of JSON-like data without secrets and buyer data.

    Fields of `_MASKS` and keys that look secret are masked whatever they hold. In every other text, private keys,
    signatures, tokens and email addresses are masked in place; JSON inside a string is read like JSON outside.
    What is nested too deeply to be read is masked entirely, and nothing is raised.
    """
    try:
        return _redact(value)
    except RecursionError:
        return "(nested too deeply to be shown)"


def _redact(value: Any) -> Any:
    if isinstance(value, str):
        return _redact_text(value) if _MARKS.search(value) else value
    if isinstance(value, Mapping):
        return {key: item if item is None or item == "" else _mask(str(key))(item) for key, item in value.items()}
    return [_redact(item) for item in value] if isinstance(value, (list, tuple)) else value


@lru_cache(maxsize=4096)
def _mask(key: str) -> Callable[[Any], Any]:
    """Return the masked value of a field or header."""
    plain = key.lower().replace("-", "").replace("_", "")
    return _MASKS.get(plain) or (_length if _SECRET_KEY.search(plain) else _redact)


def _redact_text(text: str) -> str:
    try:
        inner = json.loads(text) if text.lstrip()[:1] in ("{", "[") else None
        if (outer := _redact(inner)) != inner:
            return json.dumps(outer, ensure_ascii=False, separators=(",", ":"))
    except ValueError:
        pass  # only looks like JSON
    except RecursionError:
        return _length(text)
    for pattern in _SECRET_TEXT:
        text = pattern.sub(lambda found: found[1] + _length(found[2]), text)
    return text


class _Redacting(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(one if isinstance(one, int) else redact(str(one)) for one in record.args)
        return True


# The HTTP library logs each address, and Get Buyer's address contains a token.
logging.getLogger("httpx").addFilter(_Redacting())
