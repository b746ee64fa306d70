"""The two formats of a bundle of evidence, each in the one form that we write: the tar, and the SSH signature in it."""
