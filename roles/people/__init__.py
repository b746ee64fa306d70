"""The people around a cutover: where they are reached, who is told what and when, and what they answer before it begins."""
