"""Drills: what goes wrong, provoked on the emulator and played to its recovery, as rows of tables.

    stage = Stage(emulator)
    show(play_codes(stage))          # every simulation code: answer, objects afterwards, next step

Without an emulator there is no stage: the rows are the same, and say that they were not tried.
"""

from amazonpay_nb.lessons.account import Stage
from amazonpay_nb.lessons.faults import (
    FAULTS,
    Booked,
    Books,
    Burst,
    Drill,
    Lost,
    booked,
    books,
    lose_the_answer,
    play_burst,
    play_faults,
)
from amazonpay_nb.lessons.interruptions import Interruption, play_interruptions
from amazonpay_nb.lessons.simulations import Outcome, Precedence, play_cards, play_codes, play_precedence

__all__ = [
    "FAULTS",
    "Booked",
    "Books",
    "Burst",
    "Drill",
    "Interruption",
    "Lost",
    "Outcome",
    "Precedence",
    "Stage",
    "booked",
    "books",
    "lose_the_answer",
    "play_burst",
    "play_cards",
    "play_codes",
    "play_faults",
    "play_interruptions",
    "play_precedence",
]
