"""Notebooks run without a person: runner, kernels, report; a reader's own copies; what the Sandbox is asked."""

MOST_JOBS = 64  # notebooks at the same time on one machine
