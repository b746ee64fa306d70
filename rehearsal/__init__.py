"""The lab with the service on it: test hosts with V1 under a stream of tapes, and the whole job rehearsed on them."""
