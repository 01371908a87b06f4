"""The shop's own customer accounts, one for each buyer id at Amazon."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Account:
    """A customer of the shop, with personal data as Amazon has last answered it: all of it is hidden.

    An email address can change, and two accounts may share it, so never identify an account by it.
    """

    number: int  # the shop's own, from 1
    buyer_id: str = field(repr=False)  # always the same at this merchant
    name: str = field(default="", repr=False)  # "" if no scope asked for it
    email: str = field(default="", repr=False)
    saved_wallet: str = ""  # the Charge Permission for the next order


class Accounts(list[Account]):
    """All accounts.  A real shop keeps them in a database, with a unique index on the buyer id."""

    def sign_in(self, buyer: Mapping[str, Any], *, saved_wallet: str | None = None) -> Account:
        """Return the account of a buyer, opened at the first sign-in and updated at each.

        Args:
            buyer: As Complete Checkout Session or Get Buyer answers; a null field leaves the account unchanged.
            saved_wallet: A new Charge Permission, which replaces the old one.
        """
        account = next((row for row in self if row.buyer_id == buyer["buyerId"]), None)
        if account is None:
            account = Account(len(self) + 1, buyer["buyerId"])
            self.append(account)
        account.name = buyer.get("name") or account.name
        account.email = buyer.get("email") or account.email
        account.saved_wallet = saved_wallet or account.saved_wallet
        return account
