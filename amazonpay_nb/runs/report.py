"""Write what a run leaves behind: a summary for programs, a page for people, a file for CI.

The dataclasses are the model of ``summary.json``; the writers turn one `Summary` into the three files, and an executed
notebook into a page that works offline.
"""

import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cache
from html import escape, unescape
from pathlib import Path
from threading import Lock
from typing import Any

import nh3
from jinja2 import pass_context
from nbconvert.exporters.html import HTMLExporter
from nbconvert.exporters.templateexporter import TemplateExporter
from nbconvert.filters.highlight import Highlight2HTML
from nbconvert.filters.markdown_mistune import InvalidNotebook, IPythonRenderer, MarkdownWithMath
from traitlets.config import Config

from amazonpay_nb.limits import short_numbers
from amazonpay_nb.runs.failure import Failure
from amazonpay_nb.runs.folder import POLICY, write_whole
from amazonpay_nb.runs.notebook import outputs_of, title_of, with_pictures_from
from amazonpay_nb.spec.data import read
from amazonpay_nb.spec.operations import KINDS
from amazonpay_nb.texts import templates
from amazonpay_nb.workbench.claims import Claim

_TEMPLATES = Path(__file__).parent / "templates"
PAGES = templates(_TEMPLATES)

# What an output may bring into a page.
_ALLOWED = read("report.toml", beside=__file__)
_TAGS, _STYLES = nh3.ALLOWED_TAGS.union(_ALLOWED["tags"]), {*_ALLOWED["styles"]}
_ATTRIBUTES = nh3.ALLOWED_ATTRIBUTES | {"*": {*_ALLOWED["attributes"]}}
# Each begins as its kind does: the address of a picture may lead, by a link, to any file of whoever makes the page.
_SOURCE = re.compile(
    r"data:image/(?:png;base64,iVBORw0KGgo|jpeg;base64,/9j/|gif;base64,R0lGOD|webp;base64,UklGR"
    r"|svg\+xml;base64,P[A-P]|svg\+xml(?:;(?!base64)[^,]*)?,\s*(?:<|%3C))"
)
# What is left of an output that was alive, a frame for example: nothing to read or see.
_EMPTY = re.compile(r"(?:\s|<(?!img\b[^>]*\bsrc=|svg\b)[^>]*>)*")
_TITLE = re.compile(r"<title>([^<]*)</title>")

# The heading of a row, which keeps to one line by its spaces where a forge drops styles.
_HEADING = re.compile(r"<th\b[^<>]*>[^<]+")
_NO_ALT = re.compile(r"<img\b(?![^<>]*\salt=)")
# A cell's source and each output; a keyboard can scroll what has the focus.
_SCROLLED = re.compile(r'<div(?= class="[^"]*\bjp-(?:Cell-inputWrapper|OutputArea-output)\b)')
_FORMULA, _MOST_FORMULAS = re.compile(r"\\begin\{|\\\\[\[(]"), 100  # beginnings, in one text
_EXPORTING = Lock()  # an exporter remembers what it exports


@dataclass(frozen=True, slots=True)
class Run:
    """One executed notebook."""

    notebook: str  # the file's name without its ending; also that of its page
    parameters: dict[str, Any]  # in the types that the notebook declares; others had their defaults
    seconds: float
    failure: Failure | None
    claims: tuple[Claim, ...]  # *ok* is None for those that were not tried, or not reached
    result: dict[str, Any]  # what the notebook recorded about itself
    title: str = ""
    environment: str = ""  # as far as it is written down

    @property
    def status(self) -> str:
        """``passed`` or ``failed``."""
        return "failed" if self.failure else "passed"

    @property
    def error(self) -> str | None:
        """``Name: value`` of what stopped it, or None."""
        return self.failure.message if self.failure else None

    @property
    def tried(self) -> tuple[Claim, ...]:
        """The claims that were reached and tried."""
        return tuple(claim for claim in self.claims if claim.ok is not None)

    @property
    def untried(self) -> tuple[Claim, ...]:
        """The claims that were not reached, or need the emulator."""
        return tuple(claim for claim in self.claims if claim.ok is None)

    def as_json(self) -> dict[str, Any]:
        """Return its entry in ``summary.json``."""
        claims, untried = [asdict(claim) for claim in self.tried], [claim.id for claim in self.untried]
        entry = {name: value for name, value in asdict(self).items() if name not in ("title", "environment")}
        return entry | {"status": self.status, "error": self.error, "claims": claims, "untried": untried}

    @property
    def objects(self) -> list[tuple[str, str, str]]:
        """Kind, id and recorded state of each object that the run made, in the order of a purchase."""
        return [
            (kind.title, str(made), str(self.result.get(kind.id_field.removesuffix("Id") + "State") or ""))
            for kind in KINDS.values()
            if (made := self.result.get(kind.id_field))
        ]


@dataclass(frozen=True, slots=True)
class Summary:
    """All runs of one command, in the order of the command's notebooks."""

    runs: tuple[Run, ...]
    seconds: float

    @property
    def passed(self) -> int:
        """How many notebooks passed."""
        return sum(run.status == "passed" for run in self.runs)

    @property
    def failed(self) -> int:
        """How many notebooks failed."""
        return len(self.runs) - self.passed

    def as_json(self) -> dict[str, Any]:
        """Return the content of ``summary.json``."""
        runs = [run.as_json() for run in self.runs]
        return {"passed": self.passed, "failed": self.failed, "seconds": self.seconds, "runs": runs}

    def table(self) -> str:
        """Return the verdicts and the objects made, for a terminal 80 columns wide."""
        width = max((len(run.notebook) for run in self.runs), default=0)
        lines: list[str] = []
        for run in self.runs:
            lines.append(f"{run.notebook:<{width}}  {run.status}  {run.seconds:5.1f} s")
            lines += (f"    {kind:<17}  {made:<36}  {state}".rstrip() for kind, made, state in run.objects)
            lines += (f"    {line}" for line in (run.failure.text if run.failure else "").splitlines())
        return "\n".join([*lines, f"{self.passed} passed, {self.failed} failed in {self.seconds:.1f} s"])


def write_report(summary: Summary, out: Path, *, finished: datetime) -> None:
    """Write ``report.html``, ``junit.xml`` and, last, ``summary.json`` into *out*."""
    claims = [claim for run in summary.runs for claim in run.tried]
    for name in ("report.html", "junit.xml"):
        page = PAGES.get_template(name).render(policy=POLICY, summary=summary, claims=claims, finished=finished)
        write_whole(out / name, page)
    write_whole(out / "summary.json", json.dumps(summary.as_json(), indent=2, ensure_ascii=False) + "\n")


REPORTS = ("report.html", "junit.xml", "summary.json")


def notebook_page(
    document: Any, name: str, folder: Path, *, failure: Failure | None = None,
    left_behind: Mapping[str, Any] | None = None,
) -> str:  # fmt: skip
    """Return an executed notebook as one HTML page that loads nothing from anywhere; pictures are part of it.

    Args:
        document: An nbformat node, version 4.
        name: The title where the notebook has no heading.
        folder: Where the notebook is; addresses of pictures are relative to it.
        failure: What stopped its run; said at its head where no cell shows it.
        left_behind: For a page that goes to others: its ``environment``, ``merchant_name``, ``colors``, and when it was
            ``made``; its code is folded away.
    """
    # A picture is embedded only if it is in the folder named here, and docs/images is beside notebooks/.
    document = with_pictures_from(document, folder, folder.parent)
    document.metadata.pop("widgets", None)
    for output in outputs_of(document):
        shown = output.get("data", {}).get("text/html")
        if shown and _EMPTY.fullmatch(_clean(shown)):
            # Its static twin, which every output has, takes its place.
            del output.data["text/html"]
    title = title_of(document) or name
    title += f" · {left_behind['merchant_name']}" if left_behind else ""
    metadata = {"name": title, "path": str(folder.parent)}
    stopped = failure.text if failure and not failure.cell_id else ""
    resources = {"metadata": metadata, "left_behind": left_behind, "policy": POLICY, "stopped": stopped}
    with _EXPORTING:
        exporter = _exporter()
        # HTMLExporter's own would read the whole page again, which takes as long as to write it, for what follows here.
        page, _ = TemplateExporter.from_notebook_node(exporter, document, exporter._init_resources(resources))
    page = _NO_ALT.sub('<img alt="No description has been provided for this image"', str(page))
    page = _SCROLLED.sub('<div tabindex="0"', page)
    # Here the style does it, and in a narrow window gives way.
    page = _HEADING.sub(lambda match: match[0].replace("&nbsp;", " "), page)
    return page.replace("<th></th>", "<td></td>")  # pandas writes an empty heading


class _Exporter(HTMLExporter):
    @pass_context
    def markdown2html(self, context: Any, source: str) -> Any:
        """Leave Markdown full of formulas as it is: after each that has no end, nbconvert would read all of it."""
        if len(_FORMULA.findall(source)) > _MOST_FORMULAS:
            return f"<pre>{escape(source)}</pre>"
        renderer = _Renderer(
            escape=False, attachments=context.get("cell", {}).get("attachments", {}), embed_images=True,
            path=context["resources"]["metadata"]["path"],
        )  # fmt: skip
        try:
            return MarkdownWithMath(renderer=renderer).render(source)
        except Exception:  # noqa: BLE001 (as quotes in quotes, too deep for any reader)
            return f"<pre>{escape(source)}</pre>"


class _Renderer(IPythonRenderer):
    # What leads to no picture stays an address, which a page leaves out.

    def _embed_image_or_attachment(self, src: str) -> str:
        with suppress(InvalidNotebook):
            return super()._embed_image_or_attachment(src)
        return src

    def _src_to_base64(self, src: str) -> str | None:
        with suppress(OSError):
            if os.path.isfile(os.path.join(self.path, src)):  # noqa: PTH113, PTH118 (of any text, and no pipe)
                return super()._src_to_base64(src)
        return None


@cache
def _exporter() -> Any:
    config = Config()
    # A widget or a diagram needs a script from the network; its static twin, which is always there, does not.
    config.NbConvertBase.display_data_priority = [
        "text/html", "text/markdown", "image/svg+xml", "image/png", "image/jpeg", "text/plain",
    ]  # fmt: skip
    filters = {"clean_html": _clean, "title": _title, "highlight_code": Highlight2HTML()}  # type: ignore[no-untyped-call]
    # It mends addresses of 2013, and its pattern reads a text again from each bracket.
    filters["strip_files_prefix"] = lambda text: text
    config.HTMLExporter.update(sanitize_html=True, embed_images=True, filters=filters)
    config.Exporter.optimistic_validation = True  # once, not after each step
    config.TagRemovePreprocessor.update(remove_input_tags={"hide-input"}, remove_cell_tags={"remove-cell"})
    config.TagRemovePreprocessor.enabled = True
    template = (_TEMPLATES / "notebook.html.j2").read_text("utf-8")
    return _Exporter(config=config, raw_template=template)  # type: ignore[no-untyped-call]


def _clean(html: str) -> str:
    return nh3.clean(
        html, tags=_TAGS, attributes=_ATTRIBUTES, attribute_filter=_address, filter_style_properties=_STYLES,
        url_schemes={"http", "https", "mailto", "data"},
    )  # fmt: skip


def _title(svg: str) -> str:
    return unescape(short_numbers("".join(_TITLE.findall(svg)[:1]))) or "A picture"


def _address(tag: str, attribute: str, value: str) -> str | None:
    """Return the value of an attribute, or None: a picture is part of the page, and a link leads to a page."""
    if attribute == "src":
        return value if _SOURCE.match(value) else None
    return None if attribute == "href" and value.lower().startswith("data:") else value
