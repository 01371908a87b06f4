"""Write the page to leave behind after a demonstration: one file, without network, kernel, scripts or secrets.

The full edition is the finished notebook, for those who will build it; the short one is two sheets of paper, for those
who decide.
"""

import re
from collections.abc import Mapping
from contextlib import closing, suppress
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_notebook

from amazonpay_nb.client.journal import Journal
from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.redaction import redact
from amazonpay_nb.runs import notebook as notebooks
from amazonpay_nb.runs.failure import Failure, claims_of, failure_of, left_in
from amazonpay_nb.runs.folder import write_whole
from amazonpay_nb.runs.report import notebook_page
from amazonpay_nb.runs.runner import Case, check_case, here
from amazonpay_nb.shop.colors import palette
from amazonpay_nb.spec.parity import Evidence, behavior
from amazonpay_nb.stage.handout import handout, sheet, today
from amazonpay_nb.stage.story import TEXTS, stories
from amazonpay_nb.temporary import TemporaryFolder
from amazonpay_nb.texts import Texts
from amazonpay_nb.workbench.claims import Claim
from amazonpay_nb.workbench.parameters import PARAMETERS, check_values
from amazonpay_nb.workbench.show.money import money_of

ENGLISH = Texts(TEXTS, "en_US")
# How a claim in an executed notebook leads to the rows of the registry.
_ROW = re.compile(r'<a href="[^"]*parity\.md#([\w.-]+)">[^<]*</a>')


@dataclass(frozen=True)
class Finished:
    """A notebook after its run, ready for readers."""

    path: Path
    document: Any
    journal: Journal  # empty where the run has left none
    failure: Failure | None
    settings: Mapping[str, str]  # what its first workbench was opened with, defaults included

    @property
    def brand(self) -> dict[str, Any]:
        """What every page says at its head: whose it is, in which colors, where and when it ran."""
        own = {name: self.settings[name] for name in ("environment", "region", "merchant_name")}
        return own | {"colors": palette(self.settings["merchant_color"]), "made": today()}

    @property
    def title(self) -> str:
        """Its first heading, or else its name."""
        return notebooks.title_of(self.document) or self.path.stem


def finish(name: str, texts: Mapping[str, str]) -> Finished:
    """Run a notebook, or take one that has run before as it is.

    Args:
        name: A path, a name, or the number of a notebook; one of the workbook is always run.
        texts: By name: for its parameters, else for settings that it leaves alone.
    Raises:
        ConfigurationError: A name or value is not usable.
    """
    (path,) = notebooks.find_notebooks([name])
    notebook = notebooks.Notebook.read(path)
    file = notebook.path.with_suffix(".journal.jsonl")
    own = _is_as_its_run_left_it(notebook.document)
    if texts or not _has_run(notebook):
        check_case(notebook, texts)
        with closing(TemporaryFolder()) as folder:
            [(_, run)] = here(1, [Case(notebook, texts, f"{notebook.path.stem}.html")], folder.path)
            document = nbformat.read(folder.path / f"{notebook.path.stem}.ipynb", as_version=4)
            failure, journal = run.failure, _journal(folder.path / file.name)
    else:
        document = notebooks.without_secrets(notebook.document)
        journal = _journal(file) if own else Journal()
        failure = failure_of(document)
    chosen = {key: str(value) for key, value in notebooks.settings_of(document).items() if notebook.opens_workbench}
    settings = {key: parameter.default for key, parameter in PARAMETERS.items()} | chosen
    check_values({key: settings[key] for key in ("environment", "region", "merchant_name", "merchant_color")})
    usual = all(settings[key] == PARAMETERS[key].default for key in ("merchant_name", "region", "language"))
    document = notebooks.for_readers(document, pictures=usual)
    return Finished(notebook.path, document, journal, failure or _left_alone(document), settings)


def _is_as_its_run_left_it(document: Any) -> bool:
    """Tell whether the cells are those of a run that wrote the notebook, and take off what another one noted."""
    with suppress(AttributeError, KeyError, TypeError):
        if document.metadata.papermill["cells"] == left_in(document):
            return True
    for part in (document, *document.cells):
        part.metadata.pop("papermill", None)
    return False


def _has_run(notebook: notebooks.Notebook) -> bool:
    if notebook.path.resolve().parent == notebooks.notebook_folder().resolve():
        return False  # its outputs are those of the repository
    # A cell that has not run, as after a failure, is no reason to do again what the others did; and where the first one
    # has killed its kernel, no cell shows that it ran.
    document = notebook.document
    shown = any(cell.get("execution_count") is not None or cell.get("outputs") for cell in document.cells)
    return shown or "papermill" in document.metadata


def _left_alone(document: Any) -> Failure | None:
    if not any(cell.get("execution_count") is not None for cell in document.cells):
        return None  # as some tools leave it
    for step, cell in notebooks.under_headings(document):
        skips = cell.cell_type != "code" or cell.outputs or "skip-execution" in cell.metadata.get("tags", ())
        if not skips and cell.get("execution_count") is None and cell.source.strip():
            what = next(line for line in cell.source.splitlines() if line.strip())
            advice = "Run it, or take it out; amazonpay-nb run runs the whole notebook."
            return Failure(f"A cell has not run: {redact(what)}\n{advice}", step)
    return None


def _journal(file: Path) -> Journal:
    return Journal.read(file) if file.exists() else Journal()


def export(name: str, texts: Mapping[str, str], out: Path, *, edition: str = "full") -> tuple[Path, str | None]:
    """Write one page, ``full`` or ``short``, of a story or of a notebook, as `handout` and `finish` take them.

    Returns:
        Its path, and what stopped the run, or None.
    """
    if name in stories():
        stem, (page, stopped) = name, handout(stories()[name], texts, edition)
    else:
        try:
            notebooks.find_notebooks([name])
        except ConfigurationError as error:
            advice = f"{error.advice} Or a story: {', '.join(stories())}."
            raise ConfigurationError(f"{error.message}, and no story", advice=advice) from None
        run = finish(name, texts)
        stem, stopped = run.path.stem, run.failure.text if run.failure else None
        page = short(run) if edition == "short" else full(run)
    target = out / f"{stem}{'-short' if edition == 'short' else ''}.html"
    out.mkdir(parents=True, exist_ok=True)
    write_whole(target, page)
    return target, stopped


def full(run: Finished) -> str:
    """Return the full edition: the notebook itself, its code folded away."""
    document = deepcopy(run.document)
    for output in notebooks.outputs_of(document):
        if shown := output.get("data", {}).get("text/html"):
            output.data["text/html"] = _ROW.sub(_evidence, "".join(shown))
    # Its pictures' addresses are relative to this folder: a run of the workbook is written elsewhere.
    home = notebooks.notebook_folder().resolve()
    folder = home if (home / run.path.name).exists() else run.path.parent.resolve()
    document = notebooks.without_links(document)
    return notebook_page(document, run.path.stem, folder, failure=run.failure, left_behind=run.brand)


def _evidence(found: re.Match[str]) -> str:
    try:
        return f"{ENGLISH(f'evidence.{behavior(found[1]).evidence}')}: {found[1]}"
    except KeyError:
        return found[1]  # of another version


def short(run: Finished) -> str:
    """Return the short edition: two sheets of A4."""
    claims = _claims(run.document)
    shown = {behavior(row) for claims_here in claims.values() for claim in claims_here for row in claim.shows}
    quotes = (re.search(r"^> (.*)", cell.source, re.MULTILINE) for cell in run.document.cells)
    return sheet(
        "export-short.html.j2", run.journal.exchanges, shown, **run.brand, t=ENGLISH, title=run.title,
        lead=next((quote[1] for quote in quotes if quote), ""), failure=run.failure, claims=claims,
        sources=sorted({row.url for row in shown if row.evidence == Evidence.DOCUMENTED}),
        charts=money_of(run.journal.exchanges).blocks,
    )  # fmt: skip


def _claims(document: Any) -> dict[str, list[Claim]]:
    """Return the claims by the heading above them; "" is that of those whose cell neither shows nor names them."""
    claims, tried = dict[str, list[Claim]](), {claim.id: claim for claim in claims_of(document) if claim.ok is not None}
    for heading, cell in notebooks.under_headings(document):
        for claim in claims_of(new_notebook(cells=[cell])):
            if claim.id in tried:
                claims.setdefault(heading, []).append(tried.pop(claim.id))
    return claims | ({"": [*claims.get("", ()), *tried.values()]} if tried else {})
