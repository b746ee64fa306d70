"""How a run goes: prepare everywhere, commit batch by batch, or go back."""
