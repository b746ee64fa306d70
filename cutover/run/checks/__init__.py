"""The testinfra checks of a phase, in process and alone."""
