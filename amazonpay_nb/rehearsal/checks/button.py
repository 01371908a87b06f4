"""The button: it leads to Amazon by Amazon's script, and the key that signs it stays on the server."""

import re
from base64 import b64encode
from contextlib import suppress
from html import unescape
from urllib.parse import unquote, urlsplit

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from amazonpay_nb.rehearsal.answer import Failed, NotTried
from amazonpay_nb.rehearsal.plan import BUTTON_PAGES
from amazonpay_nb.rehearsal.play import Play
from amazonpay_nb.spec.regions import region as region_of

_PART = 100  # characters of a key: enough to be no accident
_RESOURCES = "performance.getEntriesByType('resource').map(entry => entry.name)"
_ALERT = "document.querySelector('[role=alert] [lang]')?.innerText ?? ''"


def signature(play: Play) -> None:
    for page in _pages(play):
        buyer = play.buyer()
        visit = buyer.click(page)
        complaint = " ".join(str(buyer.evaluate(_ALERT)).split())
        seen = f"the button of {buyer.path_of(page)} leads to {visit}. {complaint}".strip()
        play.expect(buyer.is_amazon(visit), seen)


def no_secret(play: Play) -> None:
    buyer, pages, texts = play.buyer(), _pages(play), list[str]()
    for page in pages:
        buyer.button(page)
        texts += buyer.texts()
    with suppress(Failed, NotTried):  # what else the server shows
        buyer.press(pages[0])
        buyer.approve()
        texts += buyer.texts()
    spellings = _spellings(play.emulator.merchant.private_key_file.read_bytes())
    leaks = any(part in text for body in texts for text in (_plain(body), body.lower()) for part in spellings)
    play.expect(not leaks, f"the private key is in what the browser got from {buyer.path_of(pages[0])} or after it")


def script_host(play: Play) -> None:
    host = f"https://{region_of(play.emulator.region).checkout_script_host}"
    right = f"{host if play.emulator.proxy_url else play.emulator.url}/checkout.js"
    for page in _pages(play):
        buyer = play.buyer()
        buyer.button(page)
        scripts = [url for url in buyer.evaluate(_RESOURCES) if urlsplit(url).path.endswith("/checkout.js")]
        seen = ", ".join(scripts) or "another address"
        play.expect(any(url.startswith(right) for url in scripts), f"checkout.js comes from {seen}, not from {right}")


def _pages(play: Play) -> list[str]:
    """Return the pages that a visitor without a wallet can use."""
    pages = [name for name in BUTTON_PAGES if getattr(play.plan.pages, name) and name != "update"]
    if not pages:
        raise NotTried("the plan has no page with a button.")
    return pages


def _spellings(pem: bytes) -> list[str]:
    """Return a part of a private key from the middle, where it is secret, as it may be written."""
    key = load_pem_private_key(pem, None)
    forms = (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL)
    binary = [key.private_bytes(Encoding.DER, form, NoEncryption()) for form in forms]
    texts = [b64encode(one).decode() for one in (*binary, pem)] + [one.hex() for one in binary]
    return [text[len(text) // 2 :][:_PART] for text in texts]


def _plain(body: str) -> str:
    """Return what is left of a text without line breaks, however they are written, and other marks."""
    text = unquote(unescape(body)).replace("-", "+").replace("_", "/")
    return re.sub(r"\\[nrt]|[^A-Za-z\d+/]", "", text)
