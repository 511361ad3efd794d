"""Effective elastic moduli of a heterogeneous material: bounds, mean-field schemes, and maps in plane strain."""
