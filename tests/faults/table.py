"""What may happen to this machine, a row each with what follows: `make docs` adds it to docs/faults.md."""

from typing import NamedTuple

__all__ = ["MISHAPS", "Mishap"]


class Mishap(NamedTuple):
    """Something that goes wrong around the emulator or a run, what follows, and the test that makes it happen."""

    what: str
    result: str
    test: str


_STORE, _KERNELS = "tests/faults/test_store.py::TestRestarting::test_", "tests/unit/runs/test_kernels.py::test_"
MISHAPS = tuple(
    Mishap(*row)
    for row in (
        ("The emulator is killed under load.", "What it had answered is there, once.",
         "tests/proofs/test_kills.py::test_a_kill_under_load_loses_and_repeats_nothing"),
        ("The disk of a store is full.", "500 until there is room; nothing is lost.",
         "tests/proofs/test_full_disk.py::test_a_full_disk_loses_nothing"),
        ("A store or its folder is read-only.", "The emulator does not start, and says so.",
         f"{_STORE}a_store_that_cannot_be_written_to_is_named"),
        ("A store is of another region, version or program.", "It is refused, and stays as it is.",
         f"{_STORE}a_store_that_does_not_fit_stays_as_it_is"),
        ("A store is opened without its seed and its clock.", "It goes on with both.",
         f"{_STORE}seed_and_clock_need_not_be_said_again"),
        ("A store is opened with another seed, or another start of time.", "It is refused, and stays as it is.",
         f"{_STORE}another_seed_or_clock_is_refused"),
        ("Pages of a store are overwritten.", "`amazonpay-nb store check` finds it, and writes nothing.",
         "tests/unit/test_cli.py::TestStoreCheck::test_a_damaged_one"),
        ("The journal of a store is damaged or gone, or its file is empty.",
         "Refused by `emulator` and `amazonpay-nb store check`, which write nothing; no new world begins.",
         "tests/unit/test_cli.py::TestStoreCheck::test_one_that_has_lost_its_journal"),
        ("The journal of a store is left behind, or emptied, after a kill.",
         ("Refused in the same way; the refusal has a command that keeps what the file has. "
         "A journal whose end is cut off is one that a kill may leave: what the rest says counts."),
         "tests/unit/emulator/test_store.py::test_a_file_that_has_lost_what_its_journal_knew_is_refused"),
        ("A store that is in use is copied, or opened again by the same process.",
         "It stays its emulator's alone: another process is refused.",
         "tests/faults/test_store.py::test_a_store_stays_its_emulators_alone"),
        ("The disk is full during a run.", "Exit code 2 and a sentence; no verdict, no part of a file, no kernel.",
         "tests/proofs/test_full_disk.py::test_a_run_on_a_full_disk_ends_with_a_sentence"),
        ("A run is stopped by Ctrl-C or a signal.", "Exit code 130, 143 or 129; no verdict, no kernel.",
         f"{_KERNELS}a_run_that_is_stopped_leaves_no_kernel_and_no_verdict"),
        ("Another signal follows at once.", "What the first has begun to end is ended.",
         f"{_KERNELS}a_second_signal_breaks_nothing_off"),
        ("A cell is stopped while a call that may move money is under way.",
         "Its error names the idempotency key; a call repeated with it charges the buyer once in all.",
         "tests/faults/test_transport_faults.py::TestFaults::test_a_call_that_is_stopped_names_the_key"),
        ("A kernel never answers.", "It is given up and started once more; then the notebook fails.",
         f"{_KERNELS}a_kernel_that_never_answers_is_given_up_and_tried_once_more"),
        ("A cell shows thousands of things while its run is busy.", "All of them are in the notebook.",
         f"{_KERNELS}what_a_cell_shows_waits_for_a_run_that_is_busy"),
        ("A cell fails with an error that no kernel can send.", "The notebook fails; later claims are not reached.",
         "tests/unit/runs/test_failure.py::test_an_error_that_no_kernel_can_say_is_a_failure"),
        ("The answer to Complete is lost, or is 503.",
         "The buyer hears that nobody knows yet; a reload shows what was paid.",
         "tests/notebooks/test_lost_answers.py::test_a_lost_answer_is_no_refusal"),
        ("A text or an output leads to a picture that is missing, or is none.", "The page has its description.",
         "tests/unit/runs/test_runner.py::TestFiles::test_what_leads_to_no_picture_costs_no_result"),
        ("A cell shows what no notebook or no page can hold.", "Its notebook fails; the others keep their results.",
         "tests/unit/runs/test_runner.py::TestFiles::test_what_no_page_can_show_costs_no_other_notebook_its_result"),
    )
)  # fmt: skip
