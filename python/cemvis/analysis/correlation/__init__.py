"""Spatial correlation of images in which every grey level is a phase: counts, probabilities, lengths and bands."""
