"""Tests in a browser: a package, so that one browser serves them all and ends before the tests of other folders."""
