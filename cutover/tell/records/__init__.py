"""What a run leaves for other people and programs beside its report."""
