"""Models that predict a property from a window of an image."""
