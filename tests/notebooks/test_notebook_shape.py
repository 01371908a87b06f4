"""What every committed notebook looks like: its cells, its parameters, its outputs.

nbval compares outputs; it passes a notebook that has none. These tests close that hole and hold the house style.
"""

import ast
import copy
import itertools
import re
import statistics
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import mistune
import nbformat
import pytest

from amazonpay_nb.spec.parity import behaviors
from amazonpay_nb.workbench import claims
from amazonpay_nb.workbench.claims import Claim

FOLDER = Path(__file__).parents[2] / "notebooks"

FEWEST_CELLS, MOST_CELLS = 20, 60
MEDIAN_LINES, LONG_LINES, MOST_LINES = 4, 10, 15
LEAST_MARKDOWN = 0.45
MOST_CODE_CELLS_IN_A_ROW = 2
LONGEST_FUNCTION = 5
LONGEST_ROUTE = 15  # of the server that the reader would write, in cells with a tag of their own

TAGS = {"parameters", "hide-input", "skip-execution", "nbval-skip", "your-server"}
# papermill drops or misreads every other annotation.
PARAMETER_TYPES = {"str", "int", "float", "bool", "list", "dict"}

SECRETS = {
    "a key": re.compile(r"-----BEGIN"),
    "a signature or key in base64": re.compile(r"(?=[A-Za-z_/+-]*\d)[A-Za-z0-9_/+-]{101,}"),
    "somebody's email address": re.compile(
        r"[\w.+-]+@(?!(?:[\w-]+\.)*example(?:\.(?:com|net|org))?\b)[\w-]+(?:\.[\w-]+)+"
    ),
    "a whole card number": re.compile(r"(?<![\w.-])(?:\d{4}[ -]?){3}\d{4}(?![\w.-])"),
    "a path of somebody's machine": re.compile(r"(?<![\w.])/(?:home|root|tmp|work|Users|var/folders)/\w"),
    "an address of a Python object": re.compile(r" at 0x[0-9a-f]{6,}"),
}

Notebook = Any  # nbformat's nodes are dictionaries that also answer to attributes


@cache
def notebooks() -> dict[str, Notebook]:
    """Return every committed notebook by its name."""
    return {path.stem: nbformat.read(path, as_version=4) for path in sorted(FOLDER.glob("*.ipynb"))}


def all_code_cells() -> Iterator[tuple[str, Notebook]]:
    """Yield each code cell with a name for it: the notebook and the cell's number among all cells."""
    for name, notebook in notebooks().items():
        for number, cell in enumerate(notebook.cells, 1):
            if cell.cell_type == "code":
                yield f"{name}, cell {number}", cell


def tags(cell: Notebook) -> set[str]:
    return set(cell.metadata.get("tags", []))


def code_lines(cell: Notebook) -> int:
    return sum(bool(line.strip()) for line in cell.source.splitlines())


def parse(cell: Notebook) -> ast.Module:
    flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    module = compile(cell.source, "<cell>", "exec", flags=flags)
    assert isinstance(module, ast.Module)
    return module


def output_texts(cell: Notebook) -> list[str]:
    """Return every text of a cell's outputs; pictures are base64 by nature."""
    texts = []
    for output in cell.outputs:
        texts += [str(output.get(field, "")) for field in ("text", "evalue")]
        texts += [str(data) for kind, data in output.get("data", {}).items() if not re.match("image/(?!svg)", kind)]
    return texts


def test_there_are_notebooks() -> None:
    """The loops below would pass in an empty folder."""
    assert len(notebooks()) >= 12


def test_it_opens_with_its_title_and_its_promise() -> None:
    """The first cell is a title and one quoted sentence."""
    first = {name: notebook.cells[0] for name, notebook in notebooks().items()}
    opens = {name for name, cell in first.items() if cell.cell_type == "markdown"}
    assert [
        name for name, cell in first.items() if name not in opens or not re.match(r"# \S.*\n+> \S", cell.source)
    ] == []


def test_every_code_cell_was_run_or_is_meant_not_to_be() -> None:
    """nbval compares nothing in a cell that was never run, and fails a cell with outputs and no count."""
    problems = []
    for where, cell in all_code_cells():
        if "skip-execution" in tags(cell):
            if cell.execution_count is not None or cell.outputs:
                problems.append(f"{where} is skipped but has a count or outputs")
            if "nbval-skip" not in tags(cell):  # papermill skips by the first tag, nbval by the second
                problems.append(f"{where} has no tag nbval-skip")
        elif cell.execution_count is None:
            problems.append(f"{where} was not run")
    assert problems == []


def test_its_tags_are_known() -> None:
    """`raises-exception` is not among them: papermill fails on it."""
    unknown = {name: set().union(*map(tags, notebook.cells)) - TAGS for name, notebook in notebooks().items()}
    assert {name: names for name, names in unknown.items() if names} == {}


def test_its_parameters_are_typed_and_explained() -> None:
    """papermill's help shows each parameter's name, type, default and comment."""
    cells = [(where, cell) for where, cell in all_code_cells() if "parameters" in tags(cell)]
    assert len(cells) == len(notebooks()), "one cell of parameters in each notebook"
    assert [where for where, cell in cells if not parse(cell).body] == []
    assert [f"{where}: {line}" for where, cell in cells for line in unexplained(cell)] == []


def unexplained(cell: Notebook) -> Iterator[str]:
    """Yield each line of a cell of parameters that has no type of papermill's, or no comment."""
    for statement in parse(cell).body:
        line = cell.source.splitlines()[statement.lineno - 1]
        match statement:
            case ast.AnnAssign(annotation=ast.Name(id=annotation), value=ast.expr() as value):
                typed = annotation in PARAMETER_TYPES and type(ast.literal_eval(value)).__name__ == annotation
            case _:
                typed = False
        if not typed or not re.search(r"  # \S", line):
            yield line


def test_it_names_its_kernel_and_language() -> None:
    """ruff passes a notebook without them unread; a version would change with the machine."""
    named = {
        name: (
            *(notebook.metadata.kernelspec.get(key) for key in ("name", "language")),
            dict(notebook.metadata.language_info),
        )
        for name, notebook in notebooks().items()
    }
    assert {name: kernel for name, kernel in named.items() if kernel != ("python3", "python", {"name": "python"})} == {}


def test_it_keeps_nothing_of_the_run_that_made_it() -> None:
    """Times and widget models change from run to run."""
    assert [name for name, notebook in notebooks().items() if {"papermill", "widgets"} & set(notebook.metadata)] == []
    assert [where for where, cell in all_code_cells() if {"execution", "papermill"} & set(cell.metadata)] == []


def test_it_is_as_long_as_one_sitting() -> None:
    """A chapter, neither a page nor a book, and at least as much prose as house style asks."""
    lengths = {name: len(notebook.cells) for name, notebook in notebooks().items()}
    assert {name: length for name, length in lengths.items() if not FEWEST_CELLS <= length <= MOST_CELLS} == {}
    prose = {
        name: sum(cell.cell_type == "markdown" for cell in notebook.cells) / lengths[name]
        for name, notebook in notebooks().items()
    }
    assert {name: share for name, share in prose.items() if share < LEAST_MARKDOWN} == {}


def test_a_cell_holds_one_idea() -> None:
    """Code cells are short, and explained before there is a third in a row."""
    problems = []
    for name, notebook in notebooks().items():
        lines = sorted(code_lines(cell) for cell in notebook.cells if cell.cell_type == "code")
        kinds = itertools.groupby(cell.cell_type for cell in notebook.cells)
        in_a_row = max(len(list(run)) for kind, run in kinds if kind == "code")
        figures = {
            "median of lines": (statistics.median(lines), MEDIAN_LINES),
            "ninth decile of lines": (statistics.quantiles(lines, n=10, method="inclusive")[-1], LONG_LINES),
            "lines of the longest cell": (lines[-1], MOST_LINES),
            "code cells in a row": (in_a_row, MOST_CODE_CELLS_IN_A_ROW),
        }
        problems += [f"{name}: {what} is {now}" for what, (now, most) in figures.items() if now > most]
    assert problems == []


def test_its_cells_hold_no_machinery() -> None:
    """What needs a class, a long function or a pause belongs in the package."""
    problems = []
    for where, cell in all_code_cells():
        longest = LONGEST_ROUTE if "your-server" in tags(cell) else LONGEST_FUNCTION
        for node in ast.walk(parse(cell)):
            match node:
                case ast.ClassDef():
                    problems.append(f"{where}: a class")
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    if (node.end_lineno or node.lineno) - node.lineno >= longest:
                        problems.append(f"{where}: a long function")
                case ast.Attribute(attr="sleep") | ast.Name(id="sleep"):
                    problems.append(f"{where}: a pause")
    assert problems == []


def test_what_the_sandbox_may_refuse_goes_to_the_emulator_alone() -> None:
    """Else the cell would stop there, with a payment made; Amazon's SDKs do not agree where this call works."""
    calls = [
        (where, ast.unparse(statement))
        for where, cell in all_code_cells()
        for statement in parse(cell).body
        if "create_delivery_tracker" in ast.unparse(statement)
    ]
    assert calls
    assert [where for where, code in calls if not code.startswith("if wb.emulator:")] == []


def test_no_cell_hides_its_value() -> None:
    """nbval's kernel shows what a trailing semicolon hides elsewhere."""
    assert [where for where, cell in all_code_cells() if cell.source.rstrip().endswith(";")] == []


def test_no_output_is_an_error() -> None:
    """An expected refusal is caught and shown; a traceback is a failure."""
    errors = [where for where, cell in all_code_cells() for output in cell.outputs if output.output_type == "error"]
    assert errors == []


def test_its_outputs_give_nothing_away() -> None:
    """No key, signature, person or machine can be read off a committed output."""
    leaks = [
        f"{where}: {secret}: {hit[0]}"
        for where, cell in all_code_cells()
        for text in output_texts(cell)
        for secret, pattern in SECRETS.items()
        if (hit := pattern.search(text))
    ]
    assert leaks == []


# --- Pictures, headings and claims ------------------------------------------------------------------------------------

MARKDOWN = mistune.create_markdown(renderer=None)
KEBAB = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
CLAIMS = tomllib.loads(Path(claims.__file__).with_suffix(".toml").read_text("utf-8"))


class Pictures(HTMLParser):
    """Collects the pictures of a piece of HTML that say nothing to somebody who does not see them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.silent: list[str] = []
        self._opened = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = {name: value or "" for name, value in attrs}
        if self._opened and tag == "title":  # the first thing in an SVG names it
            self.silent.remove(self._opened)
        self._opened = ""
        described = known.get("alt" if tag == "img" else "aria-label", "").strip()
        if tag in ("img", "svg") and not described and known.get("aria-hidden") != "true":
            self._opened = self.get_starttag_text() or tag
            self.silent.append(self._opened)


def tokens(parsed: Any) -> Iterator[dict[str, Any]]:
    """Yield every token of parsed Markdown, whatever it is inside of."""
    for token in parsed:
        yield token
        yield from tokens(token.get("children", []))


def words(token: dict[str, Any]) -> str:
    """Return the text of a token without its marks."""
    return "".join(part.get("raw", "") for part in tokens([token]))


def markdown_of(notebook: Notebook) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield each token of a notebook's prose with the number of its cell."""
    for number, cell in enumerate(notebook.cells, 1):
        if cell.cell_type == "markdown":
            yield from ((number, token) for token in tokens(MARKDOWN(cell.source)))


def silent_pictures(notebook: Notebook) -> Iterator[str]:
    """Yield each picture, in prose or in an output, without a text for somebody who does not see it."""
    for number, token in markdown_of(notebook):
        if token["type"] == "image" and not words(token).strip():
            yield f"cell {number}: the picture {token['attrs']['url']} has no alt text; write ![what it shows](…)"
        if "html" in token["type"]:
            yield from (f"cell {number}: {tag} has no alt text" for tag in Pictures(token["raw"]).silent)
    for number, cell in enumerate(notebook.cells, 1):
        for output in cell.get("outputs", []):
            for kind, data in output.get("data", {}).items():
                where = f"cell {number}, output {kind}"
                if kind in ("text/html", "image/svg+xml"):
                    yield from (f"{where}: {tag[:80]} has no alt text" for tag in Pictures(str(data)).silent)
                elif kind.startswith("image/") and not output.metadata.get(kind, {}).get("alt"):
                    yield f"{where}: its metadata have no alt text"


def jumping_headings(notebook: Notebook) -> Iterator[str]:
    """Yield each heading that a reader who goes from heading to heading would stumble over."""
    before, titles = 0, 0
    for number, token in markdown_of(notebook):
        if token["type"] == "heading":
            level = token["attrs"]["level"]
            if level > before + 1:
                yield f"cell {number}: {'#' * level} {words(token)!r} follows a heading of level {before}"
            before, titles = level, titles + (level == 1)
    if titles != 1:
        yield f"it has {titles} titles (#); a notebook has one"


def claims_of(notebook: Notebook) -> Iterator[tuple[int, Claim]]:
    """Yield each claim with the number of its cell; an id or a sentence that is computed is shown as its source."""
    for number, cell in enumerate(notebook.cells, 1):
        for node in ast.walk(parse(cell)) if cell.cell_type == "code" else ():
            match node:
                case ast.Call(func=ast.Attribute(attr="claim"), args=[name, text, *_]):
                    said = (str(getattr(part, "value", ast.unparse(part))) for part in (name, text))
                    yield number, Claim(*said, ok=None)


def loose_claims(notebook: Notebook) -> Iterator[str]:
    """Yield each claim whose id is not one, is taken, or leads to nothing in the registry."""
    known: set[str] = {row.id for row in behaviors()}
    seen: set[str] = set()
    for number, claim in claims_of(notebook):
        where = f"cell {number}, claim {claim.id!r}"
        if not KEBAB.fullmatch(claim.id):
            yield f"{where}: an id is a text in kebab-case, such as charge-captured"
        if claim.id in seen:
            yield f"{where}: another claim has this id"
        if not claim.shows:
            yield f"{where}: workbench/claims.toml does not say which rows of the registry it demonstrates"
        seen.add(claim.id)
        yield from (f"{where}: the registry has no row {row!r}" for row in claim.shows if row not in known)


def unclaimed(everything: Mapping[str, Notebook]) -> list[str]:
    """Return each id, and each sentence of an id, in ``claims.toml`` that no notebook claims."""
    made = [claim for notebook in everything.values() for _, claim in claims_of(notebook)]
    said = {(claim.id, text) for claim in made for text in (claim.id, claim.text)}
    rows = ((name, text) for name, row in CLAIMS.items() for text in ([name] if isinstance(row, list) else row))
    return sorted(text for name, text in rows if (name, text) not in said)


def guards(name: str, notebook: Notebook) -> list[str]:
    """Return everything that the three guards find in a notebook."""
    found = (silent_pictures(notebook), jumping_headings(notebook), loose_claims(notebook))
    return [f"{name}, {problem}" for problem in itertools.chain(*found)]


def test_everybody_can_follow_it_and_every_claim_is_in_the_registry() -> None:
    """Pictures have a text, headings go down one level at a time, and `claims.toml` ties each claim to its rows."""
    assert unclaimed(notebooks()) == []
    assert [problem for name, notebook in notebooks().items() for problem in guards(name, notebook)] == []


MUTATIONS = {
    "no alt text": ("01", r"!\[[^\]]+\]", "![]", "has no alt text"),
    "alt text of spaces": ("01", r"!\[[^\]]+\]", "![ ]", "has no alt text"),
    "an HTML picture": ("01", r"!\[[^\]]+\]\([^)]*\)", '<img src="a.png" alt="">', "has no alt text"),
    "a heading too deep": ("06", r"^## ", "##### ", "follows a heading of level 1"),
    "a heading in a quotation": ("06", r"^## ", "> #### ", "follows a heading of level 1"),
    "an underlined title": ("06", r"^## (.*)", r"\1\n=====", "it has 2 titles"),
    "a nonsense id": ("00", r'"refunded"', '"nonsense-id"', "does not say which rows of the registry"),
    "no kebab": ("00", r'"refunded"', '"Money_back"', "kebab-case"),
    "a computed id": ("00", r'"refunded"', 'f"refunded"', "kebab-case"),
    "an id twice": ("00", r'"refunded"', '"set-up-completed"', "another claim has this id"),
}


@pytest.mark.parametrize(("chapter", "pattern", "replacement", "message"), MUTATIONS.values(), ids=MUTATIONS)
def test_the_guards_notice(chapter: str, pattern: str, replacement: str, message: str) -> None:
    """One of these changes to a notebook, and the guards say what is wrong with it."""
    name = next(name for name in notebooks() if name.startswith(chapter))
    changed = copy.deepcopy(notebooks()[name])
    cell = next(cell for cell in changed.cells if re.search(pattern, cell.source, re.MULTILINE))
    cell.source = re.sub(pattern, replacement, cell.source, count=1, flags=re.MULTILINE)
    assert message in "\n".join(guards(name, changed))


def test_the_guards_notice_a_picture_in_an_output() -> None:
    """An SVG needs its title, and a PNG an alt text beside it."""
    changed = copy.deepcopy(notebooks()["00_start_here"])
    outputs = [output for cell in changed.cells for output in cell.get("outputs", [])]
    svg = next(output for output in outputs if "image/svg+xml" in output.get("data", {}))
    untitled = re.sub("<title>.*</title>", "", svg.data["image/svg+xml"])
    svg.data = {"image/svg+xml": untitled, "image/png": "iVBORw0KGgo="}
    first, second = silent_pictures(changed)
    assert ("image/svg+xml" in first, "image/png" in second) == (True, True)


def test_a_row_that_leads_nowhere_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither an empty list nor a misspelled id ties a claim to anything, and a row without a claim is left over."""
    everything = notebooks()
    for rows, problem in ({"refunded": []}, "does not say"), ({"refunded": ["refund.dely"]}, "no row 'refund.dely'"):
        monkeypatch.setattr(claims, "_ROWS", CLAIMS | rows)
        assert [line for line in loose_claims(everything["00_start_here"]) if problem in line] != []
    assert unclaimed({name: each for name, each in everything.items() if not name.startswith("12")}) == [
        "The check passes, and no other one fails.", "mistake-found", "right-shop-passes",
    ]  # fmt: skip


def test_a_claim_leads_to_its_rows() -> None:
    """The page has an anchor for each row that a claim links to; the text form has no links."""
    claim = Claim("set-up-completed", "A Saved Wallet is set up.", ok=True)._repr_mimebundle_()
    page = (FOLDER.parent / "docs" / "parity.md").read_text("utf-8")
    targets = re.findall(r'href="\.\./docs/parity\.md#([^"]+)"', claim["text/html"])
    assert targets == ["permission.chargeable-after-setup", "setup.complete-empty"]
    assert claim["text/plain"] == "✓ A Saved Wallet is set up."
    assert [row.id for row in behaviors() if f'<a id="{row.id}"></a>' not in page] == []


# --- The glossary -----------------------------------------------------------------------------------------------------

GLOSSARY = (FOLDER.parent / "docs" / "glossary.md").read_text("utf-8")


def anchor(heading: str) -> str:
    """Return the anchor that forges and books make of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_every_word_of_a_chapter_leads_to_the_glossary() -> None:
    """The first column of a table of words links each word to its heading, and every such link leads to one."""
    anchors = {anchor(heading) for heading in re.findall(r"^## (.+)$", GLOSSARY, re.MULTILINE)}
    cells = [(name, cell.source) for name, book in notebooks().items() for cell in book.cells]
    words = [
        (name, row)
        for name, text in cells
        if "| Word |" in text
        for row in re.findall(r"^\| (\S*\*\*.*?) \|", text, re.M)
    ]
    link = r"\[\*\*[^]]+\*\*\]\(\.\./docs/glossary\.md#[^)]+\)"
    assert len(words) > 40
    assert [word for word in words if not re.fullmatch(f"{link}(, {link})*", word[1])] == []
    targets = [(name, to) for name, text in cells for to in re.findall(r"glossary\.md#([^)]+)\)", text)]
    assert [target for target in targets if target[1] not in anchors] == []


def test_a_link_finds_its_place_in_jupyterlab() -> None:
    """JupyterLab's own anchors have capitals, those of forges have none; an element with an id is found by both."""
    sources = [cell.source for book in notebooks().values() for cell in book.cells]
    links = {link for text in sources for link in re.findall(r"\]\(\.\./docs/([\w-]+\.md)#([^)]+)\)", text)}
    pages = {name: (FOLDER.parent / "docs" / name).read_text("utf-8") for name, _ in links}
    assert len(links) > 60
    assert [link for link in sorted(links) if f'<a id="{link[1]}"></a>' not in pages[link[0]]] == []


def test_the_glossary_can_be_looked_things_up_in() -> None:
    """It is in alphabetical order, its first lines lead to each word, and a word leads to a page about it."""
    index, *entries = re.split(r"^## ", GLOSSARY, flags=re.MULTILINE)
    words = [entry.partition("\n")[0] for entry in entries]
    assert words == sorted(words, key=str.lower)
    assert re.findall(r"\[([^]]+)\]\(#([^)]+)\)", index) == [(word, anchor(word)) for word in words]
    assert [
        entry for entry in entries if not re.search(r"\]\((https://developer\.amazon\.com/|[\w-]+\.md\))", entry)
    ] == []
    linked = re.findall(r"\]\((?!https:|#)([^)#]+)", GLOSSARY)
    assert [path for path in linked if not (FOLDER.parent / "docs" / path).is_file()] == []


# --- Amazon's own pages -----------------------------------------------------------------------------------------------

STEPS_WITHOUT_PAGE = {
    ("07_listen_for_notifications", "Step 9: grade a handler"): "about our own grader",
    ("12_rehearse_your_server", "Step 5: read the verdict"): "about our own report",
    ("12_rehearse_your_server", "Step 7: write a plan"): "about our own plan files",
    ("12_rehearse_your_server", "Step 8: wire it"): "about our own proxy and settings",
    ("12_rehearse_your_server", "Step 9: let CI play it"): "about our own command",
}


def test_every_step_leads_to_amazons_own_page() -> None:
    """The text of each step links to Amazon's documentation; the few that have nothing to link to are listed."""
    steps = {
        (name, section.partition("\n")[0]): section
        for name, book in notebooks().items()
        for section in re.split(
            r"^## ", "\n".join(c.source for c in book.cells if c.cell_type == "markdown"), flags=re.M
        )
        if section.startswith("Step")
    }
    without = {step for step, text in steps.items() if "](https://developer.amazon.com/" not in text}
    assert len(steps) > 80
    assert without == STEPS_WITHOUT_PAGE.keys()
