"""Drills: problems caused on the emulator and played until they recover, as rows of tables.

    account = MerchantAccount(emulator)
    show(play_codes(account))        # every simulation code: answer, objects afterward, next step

Without an emulator there is no account to play with: the rows are the same, and say that they were not tried.
"""

from amazonpay_nb.lessons.account import READY, MerchantAccount
from amazonpay_nb.lessons.faults import charges_at_amazon, play_burst, play_faults
from amazonpay_nb.lessons.interruptions import play_interruptions
from amazonpay_nb.lessons.overview import by_key, by_next_step, by_recovery
from amazonpay_nb.lessons.simulations import play_cards, play_codes, play_precedence

__all__ = [
    "READY",
    "MerchantAccount",
    "by_key",
    "by_next_step",
    "by_recovery",
    "charges_at_amazon",
    "play_burst",
    "play_cards",
    "play_codes",
    "play_faults",
    "play_interruptions",
    "play_precedence",
]
