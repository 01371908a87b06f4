"""Notebooks run without a person: runner, kernels, report; a reader's own copies; what the Sandbox is asked."""
