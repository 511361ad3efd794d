"""The science, on arrays and tables."""
