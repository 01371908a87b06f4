"""The sentences of `sentences.toml`: what is wrong with a signature or a key file, and what to do about it."""

import tomllib
from pathlib import Path
from typing import Any

_SENTENCES = tomllib.loads(Path(__file__).with_name("sentences.toml").read_text("utf-8"))
OTHER_FILES: list[dict[str, str]] = _SENTENCES["other-files"]
ARRIVED: dict[str, str] = _SENTENCES["arrived"]


def sentence(name: str, /, **values: Any) -> str:
    """Return a sentence with its values filled in."""
    return str(_SENTENCES[name]).format(**values)
