"""A merchant's own server under test: a rehearsal plays buyers and Amazon, and judges by the emulator's books."""

from amazonpay_nb.rehearsal.plan import PlanFile, example
from amazonpay_nb.rehearsal.rehearsal import prospects, rehearse

__all__ = ["PlanFile", "example", "prospects", "rehearse"]
