"""The way back to V1, complete from any state of phases 3-5. The host itself goes the same way when it is left alone."""
