"""The read side: registers, clocks and reports, all rebuilt from the entries."""
