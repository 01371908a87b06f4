"""What Amazon documents, as data: every other module reads these tables and none repeats them."""
