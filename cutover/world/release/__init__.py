"""A release: built once out of code, tests and pinned wheels into one file whose every byte is decided by them."""
