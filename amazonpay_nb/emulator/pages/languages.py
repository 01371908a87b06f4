"""What hosted pages say, in the documented languages: one file of `texts/` for each."""

from functools import cache
from pathlib import Path

from amazonpay_nb.texts import Texts, languages

__all__ = ["LANGUAGES", "Texts", "texts"]

_FOLDER = Path(__file__).parent / "texts"
# Values of ``checkoutLanguage``.
LANGUAGES = languages(_FOLDER)


@cache
def texts(language: str) -> Texts:
    """Return the texts of one of `LANGUAGES`."""
    return Texts(_FOLDER, language)
