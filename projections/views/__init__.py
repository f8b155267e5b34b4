"""What one case amounts to: folded once from its facts, for its registers, its clocks and its gaps."""
