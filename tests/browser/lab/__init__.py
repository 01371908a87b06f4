"""Tests in one JupyterLab: a package, so that it serves them all."""
