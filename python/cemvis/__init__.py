"""Modulus and hardness maps of cement paste from backscattered-electron (BSE) images."""

__version__ = "0.1.0"
