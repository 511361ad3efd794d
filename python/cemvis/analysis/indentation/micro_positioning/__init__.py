"""Micro-positioning: finding the indents of a batch in a micrograph although the indenter's stage errs."""
