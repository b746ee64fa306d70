"""The lab's own: puts V1 in service on a test host, with a stream of tapes, so that there is something to lose."""
