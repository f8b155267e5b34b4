"""The demonstration: 1.7.2024 to 31.12.2025, invented events of real and invented bodies, from one seed."""

from ledger.demo.run import load_demonstration

__all__ = ["load_demonstration"]
