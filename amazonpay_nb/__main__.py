"""``python -m amazonpay_nb``, the same as ``amazonpay-nb``."""

from amazonpay_nb.cli import main

main(prog_name="amazonpay-nb")
