"""What a bundle of evidence must say of itself, and whether what is in it agrees. Pure: what was read is handed in."""
