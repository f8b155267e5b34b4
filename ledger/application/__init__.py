"""Commands in, receipts out: looks a repeat up, loads the case, lets law judge, seals, records."""

from ledger.application.installation import Installation
from ledger.application.outcome import Outcome, Principal

__all__ = ["Installation", "Outcome", "Principal"]
