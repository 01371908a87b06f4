"""The shop's own customers: an account is found by the buyer's id at Amazon, or made."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Account", "Accounts"]


@dataclass
class Account:
    """A customer of the shop.

    Attributes:
        number: The shop's own, from 1.
        buyer_id: Who it is at Amazon; the same at each visit to this merchant.  Not shown, like the rest of the person.
        name: As Amazon said it last; "" where no scope asked for it.
        email: The same.  It can change, and another account may have it already: never look for an account by it.
        saved_wallet: The Charge Permission that the next order is charged on, or "".
    """

    number: int
    buyer_id: str = field(repr=False)
    name: str = field(default="", repr=False)
    email: str = field(default="", repr=False)
    saved_wallet: str = ""


class Accounts:
    """The account book.  A real shop keeps it in a database, with a unique index on the buyer's id."""

    def __init__(self) -> None:
        self._by_buyer_id: dict[str, Account] = {}

    def __len__(self) -> int:
        return len(self._by_buyer_id)

    def __iter__(self) -> Iterator[Account]:
        return iter(self._by_buyer_id.values())

    def sign_in(self, buyer: Mapping[str, Any], *, saved_wallet: str | None = None) -> Account:
        """Return the account of a buyer, made at the first visit and brought up to date at each.

        Args:
            buyer: As Complete Checkout Session or Get Buyer has answered; what is null leaves the account as it is.
            saved_wallet: The new Charge Permission, where one was set up; it takes the place of the old one.
        """
        new = Account(len(self) + 1, buyer["buyerId"])
        account = self._by_buyer_id.setdefault(new.buyer_id, new)
        account.name = buyer.get("name") or account.name
        account.email = buyer.get("email") or account.email
        account.saved_wallet = saved_wallet or account.saved_wallet
        return account
