"""Whether maps are like what was measured: distances between distributions, mixtures side by side, real errors."""
