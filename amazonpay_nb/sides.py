"""The buyer's view and the merchant's, side by side: while you play, as two frames; else as two columns of a table."""

import html
from typing import Any

from amazonpay_nb.display import Shown
from amazonpay_nb.display.blocks import Table
from amazonpay_nb.journal import Journal
from amazonpay_nb.storefront import Storefront, Visit
from amazonpay_nb.storefront.books import happenings

__all__ = ["BothSides"]

FRAME_HEIGHT = 760


class BothSides:
    """What the buyer does and sees, and beside it what the shop's server asks and is told.

    Args:
        shop: The shop, with the journal of its server.
        visit: The visit whose page is shown in a frame; without one there is only the table of what has happened.
    """

    def __init__(self, shop: Storefront, visit: Visit | None = None) -> None:
        self._shop, self._visit = shop, visit

    def table(self) -> Shown:
        """Return what has happened so far, in order: the buyer on the left, the server on the right."""
        return Shown([_table(self._shop.journal)])

    def __repr__(self) -> str:
        return self.table().text

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        if self._visit is None:
            return {"text/plain": repr(self), "text/html": self.table().html}
        url = html.escape(self._shop.both_sides_url(self._visit))
        frame = (
            f'<iframe class="amazonpay-page" title="The shop, and beside it its server" src="{url}" '
            f'style="width:100%;height:{FRAME_HEIGHT}px;border:0"></iframe>'
        )
        return {"text/plain": repr(self), "text/html": frame}


def _table(journal: Journal) -> Table:
    rows = tuple(
        (row.what, "") if row.by_buyer else ("", " → ".join(filter(None, (row.what, row.answer))))
        for row in happenings(journal)
    )
    return Table("Both sides", ("the buyer", "the merchant's server"), rows or (("nothing yet", "nothing yet"),))
