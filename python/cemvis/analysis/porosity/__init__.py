"""Nano-porosity of paste whose pores are filled with metal: what a backscattered-electron image says about it."""
