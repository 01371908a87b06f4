"""Page texts in the documented languages, and the templates of pages.

Each language is one file of a folder, so that a translator reads and changes a page of prose rather than a program, and
a correction is a change of one line in one file.  The files of a folder hold the same keys and placeholders; a test
compares them.
"""

import tomllib
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

# Currencies whose sign is clear wherever it is read; others are shown by their code.
_SYMBOLS = {"EUR": "€", "GBP": "£", "JPY": "¥", "USD": "$"}
_NO_BREAK = "\u00a0"
# The script of every page.
PAGE_SCRIPT = Path(__file__).with_name("page.js").read_text("utf-8")
_ENVIRONMENTS: list[jinja2.Environment] = []


def templates(folder: Path, *, html: bool = True) -> jinja2.Environment:
    """Return the templates of a folder: of pages, whose values are escaped, or else of other texts, as they are."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder), undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        autoescape=html, keep_trailing_newline=not html,  # noqa: S701 (on, unless the caller writes programs)
    )  # fmt: skip
    environment.globals["script"] = PAGE_SCRIPT
    _ENVIRONMENTS.append(environment)
    return environment


def compile_templates() -> None:
    """Compile the templates of all folders that were asked for, each of which waits for its first page otherwise."""
    for environment in _ENVIRONMENTS:
        for name in environment.list_templates(("html", "j2", "jinja")):
            environment.get_template(name)


def page_headers(policy: str) -> dict[str, str]:
    """Return the headers of a page with a content security policy: it is not kept, and no link says where it was."""
    return {
        "cache-control": "no-store", "content-security-policy": policy, "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
    }  # fmt: skip


def languages(folder: Path) -> tuple[str, ...]:
    """Return the languages that a folder has texts in: values of ``checkoutLanguage``."""
    return tuple(sorted(file.stem for file in folder.glob("*.toml")))


@cache
def _tables(file: Path) -> dict[str, dict[str, str]]:
    return tomllib.loads(file.read_text("utf-8"))  # read once: a page asks for many texts


class Texts:
    """The texts of one language.

    Attributes:
        language: As in ``checkoutLanguage``, for example ``de_DE``.
        tag: The same as HTML has it: ``de-DE``.
    """

    def __init__(self, folder: Path, language: str) -> None:
        self.language, self.tag = language, language.replace("_", "-")
        self._tables = _tables(folder / f"{language}.toml")

    def __contains__(self, key: str) -> bool:
        table, _, name = key.partition(".")
        return name in self._tables.get(table, {})

    def __getitem__(self, key: str) -> str:
        return self(key)

    def __call__(self, key: str, **values: Any) -> str:
        """Return the text called ``table.name`` with its placeholders filled in."""
        table, _, name = key.partition(".")
        return self._tables[table][name].format(**values)

    def table(self, name: str) -> dict[str, str]:
        """Return all texts of a table, with their placeholders."""
        return self._tables[name]

    def money(self, price: dict[str, str]) -> str:
        """Return an amount as people write it: ``€1,234.50`` in English, ``1.234,50 €`` in German."""
        form, code = self._tables["money"], price["currencyCode"]
        amount = self.number(Decimal(price["amount"]))
        symbol = _SYMBOLS.get(code, code)
        before = _NO_BREAK if symbol == code and form["pattern"].startswith("{symbol}{") else ""
        return form["pattern"].format(amount=amount, symbol=symbol + before)

    def number(self, value: Decimal | float) -> str:
        """Return a number as people write it, with the decimals that it has."""
        form = self._tables["money"]
        # Grouped by commas first; then both signs change places at once.
        return f"{Decimal(str(value)):,f}".translate(str.maketrans(",.", form["group"] + form["decimal"]))
