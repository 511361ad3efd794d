"""Indenter files as typed tables: what was measured, where, in which order, and how sure that is."""
