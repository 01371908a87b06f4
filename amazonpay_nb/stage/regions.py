"""How the regions differ for a merchant, as the last beat of the story ``regions`` shows it."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import NamedTuple

from amazonpay_nb.spec.money import CHARGE_CEILINGS, MONTHLY_LIMITS, REFUND_EXTRAS
from amazonpay_nb.spec.parity import Behavior, behavior
from amazonpay_nb.spec.regions import REGIONS, Region
from amazonpay_nb.texts import Texts
from amazonpay_nb.workbench.show.money import money


class Difference(NamedTuple):
    """One rule: its name, what it is in each region of `REGIONS`, and the claim that says so."""

    name: str
    values: tuple[str, ...]
    claim: Behavior


def differences(texts: Texts) -> list[Difference]:
    """Return what differs between the regions, in the words of the screen."""

    def most(amounts: Mapping[str, Decimal]) -> Callable[[Region], str]:
        def of(region: Region) -> str:
            code = region.ledger_currencies[0]
            return money(amounts[code], code, texts.language)

        return of

    def whether(choice: bool) -> str:
        return texts("regions.yes" if choice else "regions.no")

    rows: dict[str, tuple[Callable[[Region], str], str]] = {
        "currency": (lambda row: ", ".join(row.ledger_currencies), "region.ledger-currency"),
        "currencies": (lambda row: str(len(row.currencies)), "region.presentment-currencies"),
        "challenge": (lambda row: whether(row.psd2), "region.psd2-challenge"),
        "page": (lambda row: whether(row.update_page), "region.jp-no-update-page"),
        "languages": (lambda row: ", ".join(texts(f"language.{code}") for code in row.languages), "page.languages"),
        "month": (most({code: limit for (_, code), limit in MONTHLY_LIMITS.items()}), "region.wallet-monthly-limit"),
        "charge": (most(CHARGE_CEILINGS), "amount.charge-ceiling"),
        "refund": (most(REFUND_EXTRAS), "refund.allowance"),
    }
    return [
        Difference(texts(f"regions.row-{name}"), tuple(map(value, REGIONS.values())), behavior(claim))
        for name, (value, claim) in rows.items()
    ]
