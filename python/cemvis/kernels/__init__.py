"""NumPy faces of the compiled core; the only importers of `cemvis._core`."""
