"""Mask secrets and buyer data, so that nothing shown, logged or stored contains them.

A mask keeps None and the empty string: an unset field is worth seeing and reveals nothing.
"""

import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any
from unicodedata import category

_LONGEST = 20_000  # of what is legible
# What the logs of GitHub and Azure obey: ::add-mask::, ##[group].
_LOG_COMMAND = re.compile(r"^[ \t]*:(?=:)|#(?=#\[)", re.MULTILINE)
MASKED = re.compile(r"\(\d+ characters\)|\(hidden\)|…")  # what a mask leaves


def _length(value: Any) -> str:
    # Masking twice must change nothing: the client may have masked the headers already.
    return str(value) if MASKED.fullmatch(str(value)) else f"({len(str(value))} characters)"


def _buyer_id(value: Any) -> str:
    # The end is enough to tell two buyers apart, but it would reveal a short identifier.
    prefix, dot, account = str(value).rpartition(".")
    if account.startswith("…"):
        return str(value)
    return f"{prefix}{dot}…{account[-4:] if len(account) >= 12 else ''}"


def _authorization(value: Any) -> str:
    head, name, signature = str(value).partition("Signature=")
    return head + name + _length(signature) if name and head.startswith("AMZN-PAY-") else _length(value)


# Field or header, in lower case without "-" and "_"  ->  how it is masked.
_PERSON = ("name", "email", "phonenumber")
_PLACE = ("addressline1", "addressline2", "addressline3", "city", "county", "district", "districtorcounty")
_MASKS: dict[str, Callable[[Any], str]] = {
    **dict.fromkeys((*_PERSON, *_PLACE, "stateorregion", "postalcode"), lambda _: "(hidden)"),
    "buyerid": _buyer_id,
    "evidencetext": _length,  # says who has received what, and where
    "authorization": _authorization,
}
_SECRET_KEY = re.compile(
    r"(?:token|signature|cookie2?|apikey|proxyauthorization|[cx]srf)s?$|secret|password|passphrase|credential|privatekey"
)

# What may be shown whatever it looks like: a public key, and the bytes of a picture or a font in a page.
_PUBLIC = re.compile(
    r"(-----BEGIN PUBLIC KEY-----[\w+/=\s\\]{,1000}-----END PUBLIC KEY-----"
    r"|data:(?:image|font)/[\w+.-]+;base64,[\w+/=]+)"
)
# A line of a key has capitals, small letters and digits, as no digest and hardly a path has; and between two lines is
# what a program puts there: marks, a line end that may be written out, a number.
_KEY_LINE = r"(?<![\w+/])(?=[a-z\d+/]*[A-Z])(?=[A-Z\d+/]*[a-z])(?=[A-Za-z+/]*\d)[A-Za-z\d+/]{64,119}(?![\w+/])"
_BETWEEN = r"(?:\\{1,8}[rn\"']|[^\w+/=\\]){1,12}(?:\d{1,3}[^\w+/=]{1,4})?"
# Secrets inside a text: Amazon's messages quote the signature, and addresses carry tokens.
# The first group of each pattern stays, the second is masked.
_SECRET_TEXT = (
    re.compile(r"()(-----BEGIN[^-]+-----(?s:.*?)(?:-----END[^-]+-----|\Z))"),
    re.compile(
        rf"()({_KEY_LINE}(?:{_BETWEEN}[A-Za-z\d+/]{{64,119}}(?![\w+/]))*(?:{_BETWEEN}[A-Za-z\d+/]{{1,118}}={{0,2}})?)"
    ),
    re.compile(r"()((?:[\da-fA-F]{2}:\s{0,40}){63,}(?:[\da-fA-F]{2})?)"),  # of a fingerprint there are 32 at most
    re.compile(r"(/buyers/|/authorizationTokens/)(?!\(\d+ char)([^\s/?#\"'\\]+)"),
    re.compile(r"((?i:token=|signature=|secret=|password=|\bbearer ))(?!\(\d+ char)([^\s&#\",;'\\]+)"),
    re.compile(r"()(\bAtza(?:\||%7C)[\w%|/+=-]+)"),
    re.compile(r"()((?:[A-Za-z0-9_+/%-]|\\/){120,}={0,2})"),
    re.compile(r"()((?:[\w.!#$%'*+^`{|}~-]{1,64}|(?<=\S))(?:@|%40)[\w-]+(?:\.[\w-]+)+)"),
)
# Words in the names of a path's folders, which random text does not contain: anything else may be a token.
_WORD, _WORD_ENDS, _LEAST_FOLDERS = (
    re.compile(r"[A-Za-z+]{0,40}\d{0,12}|[a-z\d]{0,12}"),
    re.compile(r"[/_-]|%[\dA-F]{2}"),
    4,
)
# A field with its value inside a text, in any quotes.
_FIELD = re.compile(
    r"""((?P<q>\\{0,8}["']|&quot;|&#3[49];)(?P<name>[\w-]+)(?P=q)\s*:\s*(?P<r>\\{0,8}["']|&quot;|&#3[49];))(?P<value>(?:(?!(?P=r)).)+)"""
)
# Every text that one of them changes, and all JSON, contains one of these marks; most texts contain none.
_MARKS = re.compile(
    r"""^\s*[{\[]|-----BEGIN|/buyers/|/authorizationTokens/|(?i:[netd]=|bearer )|Atza|[\w+/%\\-]{64}|@|%40|["';]\s*:"""
    r"|(?:[\da-fA-F]{2}:){8}"
)


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


def legible(text: str, longest: int | None = _LONGEST) -> str:
    """Return what others have said without what a terminal or a CI's log takes for a command, or for another order."""
    shown = "".join("\ufffd" if category(one)[0] == "C" and one not in "\n\t" else one for one in text[:longest])
    return _LOG_COMMAND.sub("\\g<0>\ufffd", shown)


def _redact(value: Any) -> Any:
    if isinstance(value, str):
        return _redact_text(value) if _MARKS.search(value) else value
    if isinstance(value, Mapping):
        return dict(_redact_field(str(key), item) for key, item in value.items())
    return list(_redact_items(value)) if isinstance(value, (list, tuple)) else value


def _redact_field(key: str, value: Any) -> tuple[str, Any]:
    name, mask = _mask(key)
    return name, value if value is None or value == "" else mask(value)


@lru_cache(maxsize=4096)
def _mask(key: str) -> tuple[str, Callable[[Any], Any]]:
    """Return how a field or header is written, and the masked value of it."""
    plain = key.lower().replace("-", "").replace("_", "")
    return _redact(key), _MASKS.get(plain) or (_length if _SECRET_KEY.search(plain) else _redact)


def _redact_items(items: list[Any] | tuple[Any, ...]) -> Iterator[Any]:
    """Give the items of a list, which may be the lines of a key."""
    inside = False
    for item in items:
        text = item if isinstance(item, str) else ""
        inside = inside or "-----BEGIN" in text
        yield _length(text) if text and inside and not _PUBLIC.search(text) else _redact(item)
        inside = inside and "-----END" not in text


def _redact_text(text: str) -> str:
    try:
        inner = json.loads(text) if text.lstrip()[:1] in ("{", "[") else None
        if (outer := _redact(inner)) != inner:
            return json.dumps(outer, ensure_ascii=False, separators=(",", ":"))
    except ValueError:
        pass  # only looks like JSON
    except RecursionError:
        return _length(text)
    # Every other part may be shown.
    return "".join(part if at % 2 else _mask_secrets(part) for at, part in enumerate(_PUBLIC.split(text)))


def _mask_secrets(text: str) -> str:
    text = _FIELD.sub(lambda found: found[1] + str(_redact_field(found["name"], found["value"])[1]), text)
    for pattern in _SECRET_TEXT:
        text = pattern.sub(_masked_secret, text)
    return text


def _masked_secret(found: re.Match[str]) -> str:
    # What a name announces is a secret whatever it looks like.
    words = _WORD_ENDS.split(found[2]) if not found[1] and found[2].count("/") >= _LEAST_FOLDERS else [" "]
    return found[0] if all(map(_WORD.fullmatch, words)) else found[1] + _length(found[2])


def _filter(record: logging.LogRecord) -> bool:
    """Mask a message and the text of an exception, before a handler writes them."""
    record.msg, record.args = redact(record.getMessage()), ()
    if record.exc_info:
        record.exc_text = redact(logging.Formatter().formatException(record.exc_info))
    return True


# The HTTP library logs each address, and Get Buyer's address contains a token; a server logs what has failed.
for _name in ("asyncio", "httpx", "uvicorn.error"):
    logging.getLogger(_name).addFilter(_filter)
