"""Virtual specimens with known truth."""
