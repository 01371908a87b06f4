"""Long tables in short lose no row and no order."""

from amazonpay_nb.lessons.drills import Effect, Interruption, by_key, by_next_step, by_recovery
from amazonpay_nb.lessons.faults import Repetition


def test_simulations_are_sorted_by_the_next_step() -> None:
    """In the order in which steps first appear; those that differ in objects alone are one; a long one has lines."""
    rows = [
        Effect(
            "set-up",
            "3064",
            "422 CheckoutSessionCanceled",
            "Canceled (BuyerCanceled)",
            "",
            "Wait as long as it takes, and not one day more: start again.",
        ),
        Effect("set-up", "1111", "200 Completed", "Completed", "", "Ship."),
        Effect(
            "set-up",
            "3434",
            "422 CheckoutSessionCanceled",
            "Canceled (Declined)",
            "",
            "Wait as long as it takes, and not one day more: start again.",
        ),
        Effect("set-up", "0000", "not tried here"),
        Effect(
            "purchase",
            "3434",
            "422 CheckoutSessionCanceled",
            "Canceled (Declined)",
            "",
            "Wait as long as it takes, and not one day more: start again.",
        ),
    ]
    wait = "Wait as long as it takes, and not one day more"
    assert by_next_step(rows) == [
        (wait, "start again", "set-up", "3064, 3434", "422"),
        (wait, "start again", "purchase", "3434", "422"),
        ("Ship", "", "set-up", "1111", "200"),
        ("", "", "set-up", "0000", "not tried here"),
    ]


def test_repetitions_are_sorted_by_the_key() -> None:
    """Faults after which as much has moved are one row."""
    answers = "no answer", "201 Authorized"
    rows = [
        Repetition("Create Charge", fault, key, *answers, f"authorized +{done}", done, True)
        for fault, new in (("reset", "1"), ("503", "1"), ("delay", "2"))
        for key, done in (("same", "1"), ("new", new))
    ]
    assert by_key(rows) == [
        ("same", "Create Charge", "reset, 503, delay", "201 Authorized", "authorized +1", "1"),
        ("new", "Create Charge", "reset, 503", "201 Authorized", "authorized +1", "1"),
        ("new", "Create Charge", "delay", "201 Authorized", "authorized +2", "2"),
    ]


def test_interruptions_are_sorted_by_the_recovery() -> None:
    """One that was not tried has none."""
    rows = [
        Interruption("buyer", "Close", "Closed (BuyerClosed)", "422", "set up again", "new", "201 Captured"),
        Interruption("clock", "Expire", "Canceled (ExpiredUnused)", "not tried here"),
        Interruption("clock", "Expire", "Closed (Expired)", "422", "set up again", "new", "201 Captured"),
    ]
    assert by_recovery(rows) == [
        ("set up again", "new", "Closed (BuyerClosed)", "Close"),
        ("set up again", "new", "Closed (Expired)", "Expire"),
        ("", "", "Canceled (ExpiredUnused)", "Expire"),
    ]
