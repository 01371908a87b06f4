"""Amazon's documentation as data: every other module reads these tables and repeats none of them."""
