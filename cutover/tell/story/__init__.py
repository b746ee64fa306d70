"""What happened in a run, read from its journal and nothing else: the matter that report and incident record are made of."""
