"""Releases: built and verified here, unpacked and verified again on the hosts."""
