"""Mask secrets and buyer data, so that nothing shown, logged or stored contains them.

A mask keeps None and the empty string: an unset field is worth seeing and reveals nothing.
"""

import json
import logging
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Generator, Iterator, Mapping
from functools import lru_cache
from html import escape, unescape
from itertools import accumulate
from typing import Any

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
# A field, a header, a part of an address or an element of XML is secret by the end of its name, or by anything in it.
_ENDS = r"token|signature|cookie2?|(?:api|access)[-_]?key|[cx]srf|(?<![a-z])(?:http|proxy|x)[\w-]{0,40}?authorization"
_WITHIN = "secret|password|passwd|passphrase|credential|private[-_]?key"
_SECRET_KEY = re.compile(rf"(?:{_ENDS})s?$|{_WITHIN}")
_SECRET_NAME = rf"(?i:[\w-]{{0,40}}?(?:(?:{_ENDS})s?|(?:{_WITHIN})[\w-]{{0,40}}+)(?![\w-]))"

# What may be shown whatever it looks like: a public key, and the bytes of a picture or a font in a page.
_PUBLIC = re.compile(
    r"(-----BEGIN PUBLIC KEY-----[\w+/=\s\\]{,1000}-----END PUBLIC KEY-----"
    r"|data:(?:image|font)/[\w+.-]+;base64,[\w+/=]+)"
)
# A line of a key has capitals, small letters and digits, as no digest and hardly a path has; and between two lines is
# what a program puts there: marks, a line end that may be written out, a number.  Its letter is no part of the line.
_NO_LINE_END = r"(?!(?<=\\)[nrt])"
_LINE_START = rf"(?:(?<![\w+/]){_NO_LINE_END}|(?<=\\[nrt]))"
_KEY_LINE = rf"{_LINE_START}(?=[a-z\d+/]*[A-Z])(?=[A-Z\d+/]*[a-z])(?=[A-Za-z+/]*\d)[A-Za-z\d+/]{{64,119}}(?![\w+/])"
_BETWEEN = r"(?:\\{1,8}[rn\"']|[^\w+/=\\]){1,12}(?:\d{1,3}[^\w+/=]{1,4})?"
# How a secret begins where a word could stand: with a scheme of HTTP, and one that somebody has made up has a long
# token; and a word with a digit that ends its line.
_SCHEME = "(?i:basic|bearer|digest|negotiate|token) "
_OTHER_SCHEME = r"""(?!AMZN)[A-Za-z][\w-]{1,30} (?=[^\s"']{8})(?=[^\s"'\d=]{0,300}+[\d=])"""
_LOOSE = rf"""(?:{_SCHEME}|[^\s"'\d=]{{0,300}}+[\d=])"""
_LAST_WORD = r":[ \t]++[^\s\d]*+\d\S*+$"
_HEADER = (
    r"(?i:(?:[\w-]{0,40}-|(?:http|proxy|x)_(?:\w{0,40}_)?)?authorization|(?:http_)?cookie2?)"
    rf"(?=:[ \t]{{0,9}}(?:{_LOOSE}|{_OTHER_SCHEME}))"
)
# Secrets inside a text: the first group of each pattern stays, the second is masked.
_SECRET_TEXT = (
    re.compile(r"()(-----BEGIN[^-]+-----(?s:.*?)(?:-----END[^-]+-----|\Z))"),
    re.compile(r"(/buyers/|/authorizationTokens/)(?!\(\d+ char)([^\s/?#\"'\\]+)"),
    re.compile(
        rf"((?i:(?:{_ENDS}|(?:{_WITHIN})(?-i:[A-Z\d_]{{0,40}}+))=|\bbearer {{1,9}}"
        rf"|\bauthorization=(?={_SCHEME}|{_OTHER_SCHEME})))(?!\(\d+ char|[=>])"
        rf"((?:(?<==){_SCHEME}|(?<=(?i:authorization=)){_OTHER_SCHEME})?+[^\s&#\",;'\\\x07\x1b]+)"
    ),
    re.compile(r"(\w://[^\s/?#:\"']{0,99}:)(?!\(\d+ char)([^\s/?#\"']{1,300})(?=@)"),
    re.compile(r"()(Atza(?:\||%7C)[\w%|/+=-]+)"),
    re.compile(rf"(){_NO_LINE_END}((?:[A-Za-z0-9_+/%-]|\\/){{120,}}={{0,2}})"),
    # After what may hold its lines: a token with "-" in it is one secret, and not a line between two words.
    re.compile(
        rf"()({_KEY_LINE}(?:{_BETWEEN}[A-Za-z\d+/]{{64,119}}(?![\w+/]))*(?:{_BETWEEN}[A-Za-z\d+/]{{1,118}}={{0,2}})?)"
    ),
    re.compile(r"()((?:[\da-fA-F]{2}:\s{0,40}){63,}(?:[\da-fA-F]{2})?)"),  # of a fingerprint there are 32 at most
    re.compile(rf"(){_NO_LINE_END}((?:[\w.!#$%'*+^`{{|}}~-]{{1,64}}|(?<=\S))(?:@|%40)[\w-]+(?:\.[\w-]+)+)"),
)
# Words in the names of a path's folders, which random text does not contain: anything else may be a token.
_WORD = re.compile(r"[A-Za-z+]{0,40}\d{0,12}|[a-z\d]{0,12}")
_WORD_ENDS, _LEAST_FOLDERS = re.compile(r"[/_-]|%[\dA-F]{2}"), 4
# What cuts a text without being read: a terminal's colors and links, HTML inside a line, marks of Markdown (those
# inside a word are a program's); in LaTeX, pygments' marks.
_COLOR = r"(?:\[[0-?]{0,40}[ -/]?[@-~]|[(-+].|[78=>M])"
_CUT = re.compile(
    rf"\x1b(?:{_COLOR}|\][^\x07\x1b]*(?:\x07|\x1b\\))|\\(?:x1b|u001[bB]|033){_COLOR}"
    r"|</?(?:a|b|code|em|font|i|kbd|mark|s|small|span|strong|sub|sup|tspan|tt|u|var)\b[^<>]*>"
    r"|[*`](?<![*`].)(?![*`]*+(?:@|%40))(?:(?<!\w.)|(?<=\\[nrt].)|(?=[*`]*+(?!\w)))[*`]*+"
    r"|\\(?<!\\\\)\\*+(?=[_*=:@.+/-])"
)
_CUT_IN_LATEX = re.compile(r"\\PY\{[\w+]{0,20}\}\{|\\PYZ(?:us|hy)\{\}|\}(?<!PYZ[ds]q\{\})(?=\\PY\{|\s|\Z)")
_NO_CUT = re.compile(r"(?!)")
# A character as HTML may write it.
_REFERENCE = re.compile(r"&(?:#(?:\d{1,7}|[xX][\da-fA-F]{1,6});?|[A-Za-z][A-Za-z\d]{1,31};)|\xa0")
_QUOTE = r"""(?:["']|&(?:quot|apos|#3[49]|#x2[27]);|\\PYZ[ds]q\{\})"""
# What quotes hold; a quote that is written with more backslashes is inside.
_QUOTED = (
    rf"[bBfFrRu]{{0,2}}(?P<r>(?P<s>\\{{0,8}})(?:\"{{3}}|'{{3}}|{_QUOTE}))"
    r"(?P<value>(?:(?!(?P=r))(?:(?P=s)\\(?:(?P=r)|(?P=s)\\|[^\n])|[^\n]))+)"
)
# What begins a list or a mapping that is written out, up to its first text; and each part of it from there on.
_PLAIN = r"""(?:[\s,.:\d]|\\[nrt]|None|True|False|null|true|false|""|'')"""
_LIST = rf"(?P<list>[\[({{](?:[\[({{]|{_PLAIN}){{0,40}}?)?"
_PART = re.compile(
    r"(?P<open>[\[({])|(?P<close>[\])}])|(?P<number>\d{4}[\d.]*+)(?!\w)"
    rf"|{_QUOTED}(?:(?P=r)(?P<key>\s{{0,40}}:)?)?|{_PLAIN}"
)
# A field with its value inside a text.
_FIELDS = (
    # In a form, in a list of headers or cookies.
    re.compile(
        rf"""[<{{](?=[^<>{{}}]*?["'\s](?i:name|key)["']?\s*[=:]\s*["']?(?P<name>[\w-]+))"""
        rf"""[^<>{{}}]*?["'\s](?i:value|content)["']?\s*[=:]\s*{_QUOTED}"""
    ),
    # In JSON, a program, a representation.  What an element of a page is called is its own affair.
    re.compile(
        r"<(?:a|button|fieldset|form|iframe|input|map|meta|object|output|param|select|slot|textarea)\b[^<>]*?\sname="
        rf"|(?:(?P<q>\\{{0,8}}{_QUOTE})|(?<![\w\\-])|(?<=\\[nrt]))(?P<name>[\w-]{{1,60}}+)(?(q)(?P=q))"
        r"(?P<by>\s{0,40}(?:(?:\]|:\s{0,9}[\w.]{1,40}(?:\[[^\[\]=]{0,40}\])?(?:\s\|\sNone)?)?\s{0,9}[!=:]?={1,2}>?|\]?:)\s{0,40})"
        rf"{_LIST}(?:{_QUOTED}|(?(q)(?P<number>\d{{4}}[\d.]*+)(?!\w)|(?!)))"
    ),
    # A pair, as headers are listed and set; of other fields, two names stand so.
    re.compile(
        rf"(?P<pair>\()[bu]?(?P<q>{_QUOTE})(?P<name>[\w-]{{1,60}}+)(?P=q)(?P<by>,\s{{0,40}})"
        rf"{_LIST}(?=[bu]?.(?:{_LOOSE}|{_OTHER_SCHEME})){_QUOTED}"
    ),
    # A header, or one word with a digit: on a line of its own, in quotes, or after a line end that is written out.
    re.compile(
        rf"(?:(?:^|(?<=>))[ \t<>*-]{{0,20}}|(?P<q>\\{{0,8}}{_QUOTE})|(?P<n>\\[rn]))"
        rf"(?P<name>[\w-]{{1,40}}-[\w-]{{1,40}}|{_HEADER}|(?!name:)\w{{1,40}}(?={_LAST_WORD}))"
        r":[ \t]{0,9}+(?!(?i:bearer ))(?P<value>(?:(?(q)(?!(?P=q)))(?(n)(?![\"']))(?!\\[rn]|</)[^\r\n])+)",
        re.MULTILINE,
    ),
    # The same of a secret further on in a line, as a log has it.
    re.compile(
        rf"(?<![\w-])(?P<name>{_HEADER}"
        rf"|(?=\w{{0,40}}-){_SECRET_NAME}(?=:[ \t]{{0,9}}(?:{_LOOSE}|\S{{1,300}}+$))|{_SECRET_NAME}(?={_LAST_WORD}))"
        r":[ \t]{0,9}+(?!(?i:bearer ))(?P<value>(?:(?!\\[rn]|</)[^\r\n])+)",
        re.MULTILINE,
    ),
    # An element of XML.
    re.compile(rf"<(?:\w{{1,40}}:)?(?P<name>{_SECRET_NAME})[^<>]*>(?:<!\[CDATA\[)?(?P<value>[^<>]+?)(?=(?:\]\]>)?</)"),
)
# What else is said of a person.
_PERSONAL = re.compile(
    r"(?i:(?:email|phone[-_]?number|buyer[-_]?id|address[-_]?line[-_]?\d|postal[-_]?code)[\"']?\]?\s{0,9}[=:]"
    r"|(?:buyer|customer|shopper|recipient|person|user|address)[\"']?[\](])"
)
# Every text that one of them changes, and all JSON, contains one of these marks; most texts contain none.
_MARKS = re.compile(
    r"""^\s*[{\[]|-----BEGIN|/buyers/|/authorizationTokens/|(?i:[netd]=|bearer )|Atza|[\w+/%\\-]{64}|@|%40|["';]\s*:"""
    rf"|(?:[\da-fA-F]{{2}}:){{8}}|</(?:\w{{1,40}}:)?{_SECRET_NAME}>"
)
# Or a name with what separates it from its value; whoever has no separator is not searched for names.
_SEPARATOR = re.compile(r"=|[:,](?![\d/])")
_NAMED = re.compile(
    r"(?i:(?:name|email|number|line[-_]?\d|city|county|district|region|code|buyer[-_]?id|text|authorization|token|signature"
    r"|cookie2?|key|srf)s?|(?:secret|passw|passph|credential)[\w-]{0,40})"
    r"""(?:["';]|\\PYZ[ds]q\{\})?\]?\s{0,40}[:=!,]"""
)


def redact(value: Any, name: str = "") -> Any:
    """Return a deep copy of JSON-like data, the value of the field *name*, without secrets and buyer data.

    Fields of `_MASKS` and keys that look secret are masked whatever they hold. In every other text, private keys,
    signatures, tokens and email addresses are masked in place; JSON inside a string is read like JSON outside.
    What is nested too deeply to be read is masked entirely, and nothing is raised.
    """
    try:
        return _redact_field(name, value)[1] if name else _redact(value)
    except RecursionError:
        return "(nested too deeply to be shown)"


def _redact(value: Any) -> Any:
    if isinstance(value, str):
        # Written with references or without, it says the same; they stay where they are no part of a secret.
        masked, read = _redact_marked(value), _REFERENCE.sub(_read, value)
        if read == value or _REFERENCE.sub(_read, masked) == (masked_read := _redact_marked(read)):
            return masked
        return masked_read
    if isinstance(value, Mapping):
        fields = {str(key): item for key, item in value.items()}
        kept = dict(_redact_field(key, item) for key, item in fields.items())
        names = {key.lower(): key for key in fields}
        if isinstance(name := fields.get(names.get("name") or names.get("key", "")), str) and "value" in names:
            kept[names["value"]] = _redact_field(name, fields[names["value"]])[1]  # of a header, a cookie, a variable
        return kept
    return list(_redact_items(value)) if isinstance(value, (list, tuple)) else value


def _read(reference: re.Match[str]) -> str:
    """Return what a reference stands for, or the reference where HTML, or the rest of a text, would be another then."""
    text = unescape(reference[0]).replace("\xa0", " ")
    return text if text.isprintable() and text == escape(text) != "\\" else reference[0]


def _redact_marked(text: str) -> str:
    return _redact_text(text) if any(map(_is_marked, {text, _cut_of(text).sub("", text)})) else text


def _is_marked(text: str) -> bool:
    return bool(_MARKS.search(text) or (_SEPARATOR.search(text) and _NAMED.search(text)))


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


def _cut_of(text: str) -> re.Pattern[str]:
    return _CUT_IN_LATEX if r"\PY{" in text else _CUT


def _mask_secrets(text: str, cut: re.Pattern[str] | None = None) -> str:
    """Mask what is secret in a text as it is read, and in the tags that cut it, which stay."""
    cut = cut or _cut_of(text)
    if cuts := bool(cut.search(text)):
        text = cut.sub(lambda tag: _mask_secrets(tag[0], _NO_CUT) if _is_marked(tag[0]) else tag[0], text)
    plain = cut.sub("", text)
    for pattern in (*_FIELDS, *_SECRET_TEXT):
        if edits := [*_edits(pattern, plain)]:
            text = _edited(text, edits, [*cut.finditer(text)] if cuts else [])
            plain = cut.sub("", text)
    return text


def _edits(pattern: re.Pattern[str], text: str) -> Iterator[tuple[int, int, str]]:
    """Yield where the secrets are that a pattern finds, and what takes their places."""
    at = 0
    while found := pattern.search(text, at):
        start, at = found.span(found.lastindex or 0)
        mask, groups = _masked(found), found.groupdict()
        if mask is None and groups.get("by"):
            at = found.end("name")  # what follows, also in the value, may be another field
        elif mask is not None and groups.get("list"):
            at = yield from _edits_of_list(found)
        elif mask not in (None, text[start:at]):
            yield start, at, str(mask)


def _edits_of_list(found: re.Match[str]) -> Generator[tuple[int, int, str], None, int]:
    """Yield the same for the values in a list or a mapping, and return where it ends."""
    at, depth, mask, quote = found.start("list"), 0, _mask(found["name"])[1], found["q"] or ""
    while part := _PART.match(found.string, at):
        at, kind = part.end(), part.lastgroup
        depth += (kind == "open") - (kind == "close")
        if kind == "value":
            yield *part.span(kind), mask(part[kind])
        elif kind == "number":
            yield *part.span(kind), f"{quote}{mask(part[kind])}{quote}"
        elif depth <= 0:
            break
    return at


def _edited(text: str, edits: list[tuple[int, int, str]], cuts: list[re.Match[str]]) -> str:
    """Return a text with other words in some places of it, which are counted without its cuts."""
    lengths = [0, *accumulate(len(cut[0]) for cut in cuts)]
    places = [cut.start() - before for cut, before in zip(cuts, lengths, strict=False)]
    parts, last = list[str](), 0
    for start, end, mask in edits:
        first, after = bisect_right(places, start), bisect_left(places, end)
        kept = (cut[0] for cut in cuts[first:after] if cut[0].strip("*`\\"))  # not Markdown's
        parts += text[last : start + lengths[first]], mask, *kept
        last = end + lengths[after]
    return "".join(parts) + text[last:]


def _masked(found: re.Match[str]) -> str | None:
    """Return what takes the place of the last group that was found, or None where it is no secret."""
    text = found[found.lastindex or 0]
    if "name" in found.re.groupindex:
        mask = _mask(found["name"] or "")[1]
        quote = found["q"] if found.lastgroup == "number" else ""
        return None if mask is _redact or _is_code(found, mask(text)) else f"{quote}{mask(text)}{quote}"
    # What a name announces is a secret whatever it looks like.
    words = _WORD_ENDS.split(text) if not found[1] and text.count("/") >= _LEAST_FOLDERS else [" "]
    return None if all(map(_WORD.fullmatch, words)) else _length(text)


def _is_code(found: re.Match[str], mask: str) -> bool:
    """Tell whether a name and its value may be words of a program's, or of somebody who lists names."""
    names, text, start = found.groupdict(), found.string, found.start("name")
    by, value = names.get("by"), names["value"] or ""
    if not by or (names["q"] and "=" not in by) or names["number"]:
        return bool(names.get("pair")) and mask == "(hidden)"
    alone = text[start - 1 : start] != names["r"][-1] and value[0] not in " ),"  # unlike "token=" + token
    if not names["q"] and (not alone or (names["list"] and by.lstrip()[0] == "]")):  # visits[visit.token] = {…}
        return True
    about = _PERSONAL.search(text, max(start - 200, 0), found.end() + 200)
    called = not names["q"] and by != "=" and names["name"].strip("_").lower() == "name"
    return not any(map(str.isalnum, value)) or (mask == "(hidden)" and (called or not about))


def _filter(record: logging.LogRecord) -> bool:
    """Mask a message and the text of an exception, before a handler writes them."""
    record.msg, record.args = redact(record.getMessage()), ()
    if record.exc_info:
        record.exc_text = redact(logging.Formatter().formatException(record.exc_info))
    return True


# The HTTP library logs each address, and Get Buyer's address contains a token; a server logs what has failed.
for _name in ("asyncio", "httpx", "uvicorn.error"):
    logging.getLogger(_name).addFilter(_filter)
