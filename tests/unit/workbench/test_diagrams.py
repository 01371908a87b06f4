"""A sequence diagram has each message once and in order, fits its page, and can be read aloud."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import combinations, pairwise, permutations

import pytest
from hypothesis import given, strategies as st
from wcwidth import width as columns

from amazonpay_nb.client.exchange import Exchange
from amazonpay_nb.client.journal import PARTICIPANTS, Journal
from amazonpay_nb.workbench.diagrams import Message, SequenceDiagram, sequence_diagram
from tests.unit.workbench.test_show_money import NOON

SVG = "{http://www.w3.org/2000/svg}"

RUN = SequenceDiagram(
    ("Shop server", "Amazon Pay API"),
    (
        Message("Shop server", "Amazon Pay API", "POST /v2/charges"),
        Message("Amazon Pay API", "Shop server", "201 Authorized", reply=True),
        Message("Shop server", "Amazon Pay API", "POST /v2/charges"),
        Message("Amazon Pay API", "Shop server", "422 SoftDeclined", reply=True, failed=True),
        Message("Amazon Pay API", "Amazon Pay API", "expires", failed=True),
    ),
)

messages = st.builds(Message, *[st.sampled_from("ABC")] * 2, st.text(max_size=200), st.booleans(), st.booleans())
diagrams = st.builds(SequenceDiagram, st.just(("A", "B", "C")), st.lists(messages, max_size=6).map(tuple))


def parsed(diagram: SequenceDiagram) -> ET.Element:
    return ET.fromstring(diagram.svg())  # noqa: S314 (our own text)


def drawn(diagram: SequenceDiagram) -> list[str]:
    return [element.text or "" for element in parsed(diagram).iter(f"{SVG}text")]


def test_messages_are_numbered_and_replies_are_not() -> None:
    """The text form reads like a story and marks failures with a cross."""
    assert repr(RUN).splitlines() == [
        "1. Shop server → Amazon Pay API: POST /v2/charges",
        "   ← 201 Authorized",
        "2. Shop server → Amazon Pay API: POST /v2/charges",
        "   ← ✗ 422 SoftDeclined",
        "3. Amazon Pay API → Amazon Pay API: ✗ expires",
    ]


@given(diagrams)
def test_every_picture_is_well_formed_and_repeats(diagram: SequenceDiagram) -> None:
    """Any text gives parsable XML without script or reference, and one line of text for each message."""
    svg = diagram.svg()
    assert svg == SequenceDiagram(diagram.participants, diagram.messages).svg()
    elements = {element.tag.removeprefix(SVG) for element in parsed(diagram).iter()}
    assert elements <= {"svg", "title", "desc", "rect", "line", "g", "path", "circle", "text", "style"}
    assert len(diagram.text().splitlines()) == max(1, len(diagram.messages))


def test_a_script_in_a_text_is_shown_not_run() -> None:
    """Names and labels are escaped; a reader sees them as they are."""
    diagram = SequenceDiagram(("<b>", "B"), (Message("<b>", "B", "<script>"),))
    assert "<script" not in diagram.svg()
    assert {"<b>", "<script>"} <= set(drawn(diagram))


def test_the_picture_stands_alone_and_can_be_read_aloud() -> None:
    """It has a role, a title and the whole story as its description, and names nothing outside itself."""
    root = parsed(RUN)
    assert root.get("role") == "img"
    assert root.findtext(f"{SVG}title") == "Sequence diagram: Shop server, Amazon Pay API"
    assert root.findtext(f"{SVG}desc") == RUN.text()
    assert not re.search(r"href|url\(|\bid=|(?<!xmlns=\")https?:", RUN.svg())


def test_a_failure_has_a_cross_and_a_reply_is_dashed() -> None:
    """Neither is told by color alone."""
    groups = parsed(RUN).findall(f"{SVG}g")
    paths = [[path.attrib for path in group.findall(f"{SVG}path")] for group in groups]
    assert [len(each) for each in paths] == [2, 2, 2, 3, 3]  # line and arrowhead, and the cross
    assert ["stroke-dasharray" in each[0] for each in paths] == [False, True, False, True, False]


def test_long_labels_are_wrapped_and_at_last_cut() -> None:
    """A path breaks at a slash; what does not fit in three lines ends in an ellipsis and is whole in the tooltip."""
    names = tuple("ABCDE")
    path = "POST /v2/chargePermissions/S01-321187-that-really-is-very-long/close"
    wide = SequenceDiagram(names, (Message("C", "E", path),))
    lines = ["/close", "/S01-321187-that-really-is-very-long", "POST /v2/chargePermissions"]  # from bottom to top
    assert drawn(wide)[10:13] == lines
    narrow = SequenceDiagram(names, (Message("A", "B", path * 3),))
    *lines, _badge = drawn(narrow)[10:]
    assert len(lines) == 3
    assert lines[0].endswith("…")
    assert parsed(narrow).findtext(f"{SVG}g/{SVG}title") == path * 3


@pytest.mark.parametrize("count", range(2, 6))
def test_a_picture_fits_beside_the_file_browser(count: int) -> None:
    """JupyterLab does not scale it; a window of 1300 pixels leaves 868 for an output."""
    names = tuple("ABCDE"[:count])
    assert int(parsed(SequenceDiagram(names, (Message("A", "B", "hello"),))).attrib["width"]) <= 868


def test_the_id_of_a_session_is_cut_in_every_form() -> None:
    """Its first eight digits tell sessions apart, and leave room for what is done with it."""
    path = "POST /v2/checkoutSessions/bd504926-f659-4ad7-a1a9-9a747aaf5275/complete"
    diagram = SequenceDiagram(("C", "E"), (Message("C", "E", path),))
    for form in (diagram.text(), diagram.svg()):
        assert "POST /v2/checkoutSessions/bd504926…/complete" in form
        assert "f659-4ad7" not in form


@pytest.mark.parametrize(
    ("path", "drawn_path"),
    [
        ("/v2/charges/S01-5105180-3221187-C056351/capture", "/v2/charges/S01-…-C056351/capture"),
        ("/v2/refunds/P02-5105180-3221187-R022311", "/v2/refunds/P02-…-R022311"),
        ("/v2/chargePermissions/C02-5105180-3221187/close", "/v2/chargePermissions/C02-…-3221187/close"),
        ("/v2/reports/MFR-5105180", "/v2/reports/MFR-5105180"),
    ],
)
def test_the_ids_of_amazon_are_cut_in_every_form(path: str, drawn_path: str) -> None:
    """The region's letter and the last part tell objects of a run apart."""
    diagram = SequenceDiagram(("C", "E"), (Message("C", "E", path),))
    for form in (diagram.text(), diagram.svg()):
        assert drawn_path in form


def boxes(diagram: SequenceDiagram) -> list[tuple[float, float, float, float]]:
    """Return where the labels are: left, right, top, bottom; a column is taken as 7.4 px."""
    places = []
    for text in parsed(diagram).iterfind(f"{SVG}g/{SVG}text[@fill]"):
        if text.get("font-size") is None:
            x, y, wide = float(text.get("x", 0)), float(text.get("y", 0)), columns(text.text or "") * 7.4
            left = x - wide / 2 if text.get("text-anchor") == "middle" else x
            places.append((left, left + wide, y - 12, y + 3))
    return places


def test_no_label_touches_a_number_a_line_or_another_label() -> None:
    """In a long story of long paths between every two participants; where a line would cross, it stops."""
    ids = ("S01-5105180-3221187-C056351/capture", "bd504926-f659-4ad7-a1a9-9a747aaf5275/complete", "注" * 30)
    story = [
        Message(source, target, f"POST /v2/{word}/{ids[i % 3]}", reply, failed=reply)
        for i, (source, target) in enumerate(permutations(PARTICIPANTS, 2))
        for word in ("charges", "checkoutSessions")
        for reply in (False, True)
    ]
    diagram = SequenceDiagram(PARTICIPANTS, story)
    root, labels = parsed(diagram), boxes(diagram)
    assert len(labels) > len(story)
    for one, other in combinations(labels, 2):
        assert one[1] <= other[0] or other[1] <= one[0] or one[3] <= other[2] or other[3] <= one[2]
    for circle in root.iter(f"{SVG}circle"):
        x, y, r = (float(circle.get(name, 0)) for name in ("cx", "cy", "r"))
        assert all(b <= x - r or x + r <= a or d <= y - r or y + r <= c for a, b, c, d in labels)
    covers = [[float(rect.get(n, 0)) for n in ("x", "y", "width", "height")] for rect in root.iter(f"{SVG}rect")]
    for line in root.iter(f"{SVG}line"):
        x = float(line.get("x1", 0))
        for left, right, top, bottom in labels:
            covered = any(
                a <= left and right <= a + w and b <= top + 1 and bottom - 1 <= b + h for a, b, w, h in covers[1:]
            )
            assert covered or x <= left or right <= x


def test_a_diagram_that_has_grown_shows_what_is_new() -> None:
    """What an earlier picture has shown is paler, and the text draws a line between."""
    grown = replace(RUN, old=2)
    assert [group.get("opacity") for group in parsed(grown).findall(f"{SVG}g")] == ["0.6", "0.6", None, None, None]
    assert grown.text().splitlines()[2] == "── new ──"
    journal = Journal()
    journal.step("Buyer", "Shop page", "press", NOON)
    journal.record(Exchange(NOON, "getCharge", "GET", "/v2/charges/C", 200))
    journal.step("Buyer", "Shop page", "press again", NOON)
    assert sequence_diagram(journal, seen=2).old == 3
    assert sequence_diagram(journal).old == 0


def test_colors_are_the_pages_or_the_readers() -> None:
    """Those of JupyterLab's theme where there is one, else of the color scheme; a forge without styles shows light."""
    style = parsed(RUN).findtext(f"{SVG}style") or ""
    assert style.startswith("@media (prefers-color-scheme:dark){.sequence-diagram{")
    assert style.count("{") == style.count("}") == 2  # for no other picture of the page
    assert 'fill="var(--jp-layout-color0,var(--diagram-paper,#fff))"' in RUN.svg()


def test_wide_characters_take_two_columns() -> None:
    """A Japanese label is wrapped at half as many characters."""

    def first_line(character: str) -> str:
        return drawn(SequenceDiagram(("A", "B"), (Message("A", "B", character * 500),)))[6]

    assert len(first_line("x")) == pytest.approx(2 * len(first_line("注")), abs=1)


@given(st.integers(2, 6), st.data())
def test_everything_lies_inside_the_card(count: int, data: st.DataObject) -> None:
    """The card grows with its messages, and rows never overlap."""
    names = tuple("ABCDEF"[:count])
    ends = st.sampled_from(names)
    run = data.draw(st.lists(st.builds(Message, ends, ends, st.text("x /", max_size=90)), min_size=1, max_size=5))
    root = parsed(SequenceDiagram(names, run))
    width, height = float(root.get("width", 0)), float(root.get("height", 0))
    for text in root.iter(f"{SVG}text"):
        assert 0 < float(text.get("x", 0)) < width
        assert 0 < float(text.get("y", 0)) < height
    levels = [float(circle.get("cy", 0)) for circle in root.iter(f"{SVG}circle")]
    assert all(lower - upper >= 40 for upper, lower in pairwise(levels))


def test_a_diagram_without_messages_says_so() -> None:
    """The first look comes before the first request."""
    empty = SequenceDiagram((), ())
    assert empty.text() == "Nothing has happened yet."
    assert drawn(empty) == ["Nothing has happened yet."]


def test_notebooks_get_a_picture_and_a_text() -> None:
    """A forge, a terminal and JupyterLab each find a form they can show."""
    assert RUN._repr_mimebundle_() == {"text/plain": RUN.text(), "image/svg+xml": RUN.svg()}
