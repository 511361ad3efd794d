"""The report of runs as one HTML page: what stands on it, how it is drawn, and the file that results."""
