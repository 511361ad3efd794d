"""Mechanical populations in indentation data: Gaussian and skew-normal mixtures with stated confidence."""
