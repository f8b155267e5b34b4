"""Side-by-side measurements: ratios taken in one run, several rounds, medians, kept as JSON."""
