"""Write the kit to take home after a demonstration: one zip of a finished run, for the engineers of a merchant.

Everything in it is made from the run's journal, in which secrets and buyers' data are masked, and from the tables.
"""

import io
import json
import re
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from amazonpay_nb.client import har
from amazonpay_nb.client.exchange import Exchange
from amazonpay_nb.client.journal import Journal
from amazonpay_nb.client.snippets import LANGUAGES, snippet
from amazonpay_nb.lessons.go_live import changes, checklist, only_live
from amazonpay_nb.rehearsal.plan import example
from amazonpay_nb.runs.failure import claims_of
from amazonpay_nb.runs.folder import writable, write_whole
from amazonpay_nb.runs.notebook import notebook_folder
from amazonpay_nb.runs.report import Run
from amazonpay_nb.spec.operations import KINDS, OPERATIONS
from amazonpay_nb.spec.parity import Evidence
from amazonpay_nb.spec.regions import Region, region as region_of
from amazonpay_nb.stage.export import ENGLISH, Finished, finish, full, short
from amazonpay_nb.texts import templates
from amazonpay_nb.workbench.bench import Workbench

COLLECTION = "amazon-pay.postman_collection.json"
KEY_ID = "SANDBOX-YOUR-KEY-ID"  # where a reader puts their own
_ID = re.compile(r"[A-Za-z0-9-]{8,}")  # of an object; a journal may be somebody else's
_KEY_ID = re.compile(r"(?<=PublicKeyId=)[^,\s]*")
_FOLDER = Path(__file__).with_name("pages")
_PAGES = templates(_FOLDER, html=False)
_PAGES.filters["cell"] = lambda text: str(text).replace("|", "\\|").replace("\n", "<br>")
_PAGES.filters["plain"] = lambda text: re.sub(r"([\\`*_\[\]<>#|!&~])", r"\\\1", " ".join(str(text).split()))
_ENDINGS = {"curl": "sh", "python": "py", "node": "js", "php": "php", "java": "java", "dotnet": "cs"}
_SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
# What Postman sends as it stands in the collection; sign.py prints the values of the last two.
_HEADERS = {
    "accept": "application/json", "content-type": "application/json", "x-amz-pay-host": "{{host}}",
    "x-amz-pay-region": "{{region}}", "x-amz-pay-date": "{{date}}", "authorization": "{{authorization}}",
}  # fmt: skip
_DOCS = {"regions": "regions", "drills": "faults", "parity": "parity"}
_LINK = re.compile(r"\[([^\]]+)\]\((?!https:)[^)]*\)")  # to a page that is not in the kit
_OURS = "<!-- of the repository -->"  # ends a line of a page that means nothing in a kit
_EVIDENCE = re.compile(rf"^({'|'.join(Evidence)})(?=: |$)")  # alone in a cell, or before its source


def kit(name: str, texts: Mapping[str, str], out: Path) -> tuple[Path, str | None]:
    """Write the zip of a run that `finish` returns; return its path, and what stopped the run, or None."""
    run = finish(name, texts)
    target = out / f"{run.path.stem}-kit.zip"
    out.mkdir(parents=True, exist_ok=True)
    write_whole(target, zipped(files(run)))
    return target, run.failure.text if run.failure else None


def zipped(texts: Mapping[str, str]) -> bytes:
    """Return a zip with these files; the same names and texts are the same bytes."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in sorted(texts.items()):
            entry = zipfile.ZipInfo(name)  # of the first day that a zip knows
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, writable(text).encode(), zipfile.ZIP_DEFLATED)
    return content.getvalue()


def files(run: Finished) -> dict[str, str]:
    """Return every file of the kit by its name."""
    region, docs = region_of(run.settings["region"]), notebook_folder().parent / "docs"
    calls = _distinct(run.journal.exchanges)
    plan = example("shop_python").read_text("utf-8").partition("\n")[2]
    account = [f'currency = "{code}"\n' for code in region.ledger_currencies[1:] if code == run.settings["currency"]]
    plan = plan.replace("[server]\n", f'[server]\nregion = "{region.code}"\n{"".join(account)}')
    texts = {
        "two-pages.html": short(run), "run.html": full(run),
        "rehearsal.toml": _page("rehearsal.toml", plan=plan),
        "go-live.md": _go_live(run),
        **{f"{new}.md": _for_others((docs / f"{old}.md").read_text("utf-8")) for new, old in _DOCS.items()},
    }  # fmt: skip
    if calls:  # else there is no journal, or nothing in it
        texts["run.har"] = har.archive(run.journal)
        texts[COLLECTION] = json.dumps(collection(run.journal, calls, region), indent=2)
        texts["sign.py"] = (_FOLDER / "kit-sign.txt").read_text("utf-8")
    texts |= {
        f"snippets/{call.operation}.{_ENDINGS[language]}": _program(language, call, region)
        for call in calls
        for language in LANGUAGES
    }
    return texts | {"README.md": _page("README.md", **run.brand, title=run.title, names=sorted(texts), key_id=KEY_ID)}


def in_words(cell: object) -> str:
    """Return a cell in which the evidence is called as on a sheet."""
    return _EVIDENCE.sub(lambda found: ENGLISH(f"evidence.{found[1]}"), str(cell))


_PAGES.filters["in_words"] = in_words


def _page(name: str, **values: Any) -> str:
    return _PAGES.get_template(f"kit-{name}.j2").render(values)


def _for_others(text: str) -> str:
    """Return a page of docs/ without links and columns of tests, which are not in the kit, in the words of a sheet."""
    lines, head = list[str](), list[str]()
    for line in (line for line in text.splitlines() if not line.endswith(_OURS)):
        cells = line.removesuffix(" |").split(" | ") if line.startswith("| ") else []
        head = cells and (head or cells)
        row = [in_words(cell) for title, cell in zip(head, cells, strict=True) if not title.startswith("Test")]
        lines.append(f"{' | '.join(row)} |" if row else line)
    return _LINK.sub(r"\1", "\n".join([*lines, ""]))


def _distinct(exchanges: Iterable[Exchange]) -> list[Exchange]:
    """Return the first signed call of each operation, one that succeeded where there is one."""
    signed = [exchange for exchange in exchanges if exchange.operation in OPERATIONS and exchange.authorization]
    best_first = sorted(signed, key=lambda call: call.failed)
    first = {call.operation: call for call in reversed(best_first)}
    return sorted(first.values(), key=signed.index)


def _program(language: str, exchange: Exchange, region: Region) -> str:
    """Return a call as a program for Amazon's own host, with a place for the reader's key."""
    theirs = {"host": region.api_host, "x-amz-pay-host": region.api_host}
    theirs["authorization"] = _KEY_ID.sub(KEY_ID, exchange.headers["authorization"])
    return snippet(language, replace(exchange, headers=exchange.headers | theirs))


def collection(journal: Journal, calls: Iterable[Exchange], region: Region) -> dict[str, Any]:
    """Return calls as a Postman collection, format 2.1, with variables in place of ids, dates and signatures."""
    objects = {number: KINDS[kind].id_field for kind, number, _ in journal.known if _ID.fullmatch(number)}
    values = {"host": region.api_host, "region": region.code, "idempotencyKey": "", "date": "", "authorization": ""}
    values |= {name: number for number, name in reversed(objects.items())}
    items = json.dumps([_item(call) for call in calls], ensure_ascii=False)
    for number in sorted(objects, key=len, reverse=True):  # Amazon's id of a charge begins with its permission's
        items = items.replace(number, f"{{{{{objects[number]}}}}}")
    return {
        "info": {"name": "Amazon Pay: the calls of a run", "schema": _SCHEMA, "description": _page("postman.md")},
        "variable": [{"key": name, "value": value, "type": "string"} for name, value in values.items()],
        "item": json.loads(items),
    }


def _item(call: Exchange) -> dict[str, Any]:
    operation, headers = OPERATIONS[call.operation], dict(_HEADERS)
    if call.idempotency_key:
        headers["x-amz-pay-idempotency-key"] = "{{idempotencyKey}}"
    header = [{"key": name, "value": value} for name, value in headers.items()]
    url = "https://{{host}}" + call.path.replace("{", "%7B")
    request: dict[str, Any] = {"method": call.method, "header": header, "url": url}
    if call.request is not None and operation.body:
        body = json.dumps(call.request, ensure_ascii=False, separators=(",", ":"))
        body = body.replace("{{", r"{\u007b")  # in a text; for Postman it would begin a variable
        request["body"] = {"mode": "raw", "raw": body, "options": {"raw": {"language": "json"}}}
    return {"name": operation.title, "request": request, "response": []}


def _go_live(run: Finished) -> str:
    place = {name: run.settings[name] for name in ("environment", "region")}
    result = Run(run.path.stem, place, 0, run.failure, claims_of(run.document), {}).as_json()
    with Workbench(region=place["region"], buyer="script") as wb:
        wb.set_up_keys()
        steps, rows = checklist(wb, (), [result]), changes(wb)
    return _page("go-live.md", steps=steps, changes=rows, only_live=only_live())
