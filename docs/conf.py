"""Settings of Sphinx for the book: `make book` copies docs/book and what it shows to one folder, and builds that."""

import re
from typing import Any

from sphinx.application import Sphinx

project = html_title = "Amazon Pay Saved Wallet, the workbook"
extensions = ["myst_nb", "sphinx_click", "sphinx_copybutton"]
extensions += ["sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.napoleon"]
exclude_patterns = ["README.md", "examples"]
html_theme, html_static_path = "furo", ["book/_static"]
html_css_files, html_js_files = ["book.css"], ["book.js"]
html_show_copyright = html_copy_source = False
nb_execution_mode = "off"
# Views keep a second form for programs; the book shows the first one.
nb_mime_priority_overrides = [("html", "application/vnd.amazonpay-nb.record+json", None)]
suppress_warnings = ["mystnb.unknown_mime_type"]
myst_heading_anchors = 4
default_role = "py:obj"  # docstrings have names in single backticks
autodoc_default_options, autodoc_member_order = {"members": True}, "bysource"
autodoc_typehints_format, autodoc_preserve_defaults = "short", True

DOCUMENT = re.compile(r'(href="(?!\w+:)[^"#]+)\.(?:md|ipynb)(?=[#"])')


def example(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Mark the code in a docstring, which is indented after an empty line, as code."""
    lines[:] = re.sub(r"(?m)^(\S.*)\n\n(?=    )", r"\1\n\n::\n\n", "\n".join(lines)).split("\n")


def links(app: Sphinx, name: str, template: str, context: dict[str, Any], tree: Any) -> None:
    """Let the links in the outputs of notebooks, which Sphinx leaves alone, lead to pages."""
    context["body"] = DOCUMENT.sub(r"\1.html", context.get("body", ""))


def setup(app: Sphinx) -> None:
    """Connect both."""
    app.connect("autodoc-process-docstring", example, priority=400)
    app.connect("html-page-context", links)
