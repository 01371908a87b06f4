"""How sure we are of a row: every table of `spec` says where each of its rows comes from."""

from enum import StrEnum

__all__ = ["Evidence"]


class Evidence(StrEnum):
    """Where a fact was found, from the firmest to the weakest."""

    DOCUMENTED = "documented"  # read on a page of Amazon's own guide
    SDK = "sdk"  # read in the source of an official SDK
    RECORDED = "recorded"  # seen in traffic, a plug-in, an issue thread or an FAQ site
    INFERRED = "inferred"  # our reasoning, made one constant or row so that it is easy to change
    EMULATOR_ONLY = "emulator-only"  # exists here for teaching and testing, not at Amazon
