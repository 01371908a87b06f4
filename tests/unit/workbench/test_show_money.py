"""Money as pictures: words are in nobody's way, and every amount is written as people of the language write it."""

import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import combinations

import pytest
from wcwidth import width as columns

from amazonpay_nb.client.exchange import Exchange
from amazonpay_nb.client.ledger import Point
from amazonpay_nb.workbench.show.money import WORDS, limit_gauge, money, money_chart, money_of

SVG = "{http://www.w3.org/2000/svg}"
NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)
GERMAN = {
    "title": "Das Geld, Schritt für Schritt", "held": "reserviert", "captured": "eingezogen", "refunded": "erstattet",
    "nothing": "Noch kein Geld bewegt.", "limit": "Monatsgrenze dieser Wallet", "used": "{used} von {limit}",
    "left": "noch {left}", "day": "%d.%m.%Y", "time": "%H:%M",
}  # fmt: skip


def story(*amounts: tuple[str, str, str]) -> list[Point]:
    """Return a course of held, captured and refunded, with a minute between two steps."""
    return [(NOON + timedelta(minutes=i), *map(Decimal, row)) for i, row in enumerate(amounts)]


RIDE = story(("14.00", "0", "0"), ("0", "14.00", "0"), ("0", "14.00", "4.00"))


def boxes(html: str) -> list[tuple[float, float, float, float]]:
    """Return where the words of a picture are: left, right, top, bottom; a column is taken as 7.5 px."""
    found = []
    for text in ET.fromstring(html).iter(f"{SVG}text"):  # noqa: S314 (our own text)
        x, y, wide = float(text.get("x", 0)), float(text.get("y", 0)), columns(text.text or "") * 7.5
        left = x - wide if text.get("text-anchor") == "end" else x
        found.append((left, left + wide, y - 12, y + 3))
    return found


@pytest.mark.parametrize(
    ("language", "currency", "written"),
    [
        ("en_US", "USD", "$15,000.00"),
        ("de_DE", "EUR", "15.000,00\u00a0€"),
        ("ja_JP", "JPY", "¥15,000"),
        ("en_GB", "GBP", "£15,000.00"),
        ("fr_FR", "EUR", "15\u202f000,00\u00a0€"),
    ],
)
def test_thousands_have_their_separator(language: str, currency: str, written: str) -> None:
    """In the language's own manner, and with the decimals of the currency."""
    assert money(Decimal(15000), currency, language) == written


def test_the_chart_says_each_step_in_words() -> None:
    """Times by Amazon's clock, then what holds from then on."""
    assert money_chart(RIDE, WORDS, "USD", "en_US").as_text.splitlines() == [
        "The money, step by step",
        "                    held    captured  refunded",
        "  ────────────────  ──────  ────────  ────────",
        "  2026-01-15 12:00  $14.00  $0.00     $0.00",
        "  2026-01-15 12:01  $0.00   $14.00    $0.00",
        "  2026-01-15 12:02  $0.00   $14.00    $4.00",
    ]


def test_the_rows_have_one_scale() -> None:
    """A refund of 4 is two sevenths of the height of the 14 that were captured."""
    root = ET.fromstring(money_chart(RIDE, WORDS, "USD", "en_US").as_html)  # noqa: S314 (our own text)
    rows = [path.get("d", "") for path in root.iter(f"{SVG}path") if path.get("fill-opacity")]
    held, captured, refunded = ([float(part.split("h")[0]) for part in d.split("V")[1:-1]] for d in rows)
    assert held[1] - held[0] == captured[0] - captured[1] == 30
    assert refunded[1] - refunded[2] == pytest.approx(30 * 4 / 14, abs=0.1)


@pytest.mark.parametrize("steps", [1, 3, 40])
@pytest.mark.parametrize(("words", "language", "currency"), [(WORDS, "ja_JP", "JPY"), (GERMAN, "de_DE", "EUR")])
def test_no_words_meet_or_are_cut(steps: int, words: dict[str, str], language: str, currency: str) -> None:
    """Sums of seven digits, in a story of one step or of forty."""
    points = story(*[("2000000", "1234567", "999999")] * steps)
    chart = money_chart(points, words, currency, language)
    gauge = limit_gauge(Decimal(1234567), Decimal(2000000), words, currency, language)
    for picture in (chart, gauge):
        places = boxes(picture.as_html)
        assert all(left >= 0 and right <= 420 for left, right, *_ in places)
        for (l1, r1, t1, b1), (l2, r2, t2, b2) in combinations(places, 2):
            assert r1 <= l2 or r2 <= l1 or b1 <= t2 or b2 <= t1


def test_a_currency_that_nobody_here_can_write_has_no_chart() -> None:
    """A journal beside a run may be damaged; what it says of dollars is drawn."""
    detail = {"statusDetails": {"state": "Authorized"}}
    charges = [{"chargeId": c, "chargeAmount": {"amount": "1.00", "currencyCode": c}, **detail} for c in ("XXX", "USD")]
    shown = money_of(Exchange(NOON, "createCharge", "POST", "/v2/charges", 201, response=charge) for charge in charges)
    assert ("$1.00" in shown.text, "XXX" in shown.text) == (True, False)


def test_a_course_without_movements_says_so() -> None:
    """Nothing is drawn, in the page's language."""
    empty = money_chart([], GERMAN, "EUR", "de_DE")
    assert "Noch kein Geld bewegt." in empty.as_text
    assert "Noch kein Geld bewegt." in empty.as_html


@pytest.mark.parametrize(
    ("used", "width", "text"),
    [
        ("0", 0, "░" * 20 + "  0,00\u00a0€ von 15.000,00\u00a0€ · noch 15.000,00\u00a0€"),
        ("14", 5, "█" + "░" * 19 + "  14,00\u00a0€ von 15.000,00\u00a0€ · noch 14.986,00\u00a0€"),
        ("7500", 202, "█" * 10 + "░" * 10 + "  7.500,00\u00a0€ von 15.000,00\u00a0€ · noch 7.500,00\u00a0€"),
        ("15000", 404, "█" * 20 + "  15.000,00\u00a0€ von 15.000,00\u00a0€ · noch 0,00\u00a0€"),
    ],
)
def test_a_small_part_of_the_limit_can_be_seen(used: str, width: float, text: str) -> None:
    """Nothing is nothing, and the least amount is five pixels wide."""
    gauge = limit_gauge(Decimal(used), Decimal(15000), GERMAN, "EUR", "de_DE")
    root = ET.fromstring(gauge.as_html)  # noqa: S314 (our own text)
    assert [float(bar.get("width", 0)) for bar in root.iter(f"{SVG}rect")] == [404, width]
    assert gauge.as_text == f"Monatsgrenze dieser Wallet\n  {text}"
