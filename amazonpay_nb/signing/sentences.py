"""The sentences of `sentences.toml`: what is wrong with a signature or a key file, and what to do about it."""

from typing import Any

from amazonpay_nb.spec.data import read

_SENTENCES = read("sentences.toml", beside=__file__)
OTHER_FILES: list[dict[str, str]] = _SENTENCES["other-files"]
ARRIVED: dict[str, str] = _SENTENCES["arrived"]


def sentence(name: str, /, **values: Any) -> str:
    """Return a sentence with its values filled in."""
    return str(_SENTENCES[name]).format(**values)
