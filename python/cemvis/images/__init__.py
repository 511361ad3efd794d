"""Pixels and where they are: micrographs, pixel size, grey scale."""
