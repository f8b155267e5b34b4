"""Every error that leaves this package; one root, so a caller can catch ours and nothing else."""

from __future__ import annotations

from collections.abc import Mapping


class AuditLedgerError(Exception):
    """Root of all errors of this project. ``str(error)`` is one line that says what to do."""

    title = "Error"
    status = 500
    exit_code = 1


class SettingsError(AuditLedgerError):
    """A setting is wrong: the message names it, what is allowed and where it was set."""

    title = "Wrong setting"
    exit_code = 2


class InvalidInput(AuditLedgerError):
    """What was submitted does not fit: names the field, what was expected and what came."""

    title = "Invalid input"
    status = 422
    exit_code = 2

    def __init__(self, field: str, expected: str, got: object) -> None:
        self.field, self.expected, self.got = field, expected, got
        super().__init__(f"{field}: expected {expected}, got {_shown(got)}")

    def __reduce__(self) -> tuple[type[InvalidInput], tuple[str, str, object]]:
        # Errors go from one process to another whole.
        return type(self), (self.field, self.expected, self.got)


class LawRefused(AuditLedgerError):
    """A rule of law refuses the act. ``citation`` is the section, as the statute book writes it."""

    title = "Refused by law"
    status = 422
    exit_code = 3

    def __init__(self, citation: str, reason: str) -> None:
        self.citation, self.reason = citation, reason
        super().__init__(f"{reason} ({citation})")

    def __reduce__(self) -> tuple[type[LawRefused], tuple[str, str]]:
        return type(self), (self.citation, self.reason)


class Forbidden(AuditLedgerError):
    """Who acts may not do this: role, organisation or engagement is missing."""

    title = "Forbidden"
    status = 403
    exit_code = 4


class Unauthenticated(AuditLedgerError):
    """No valid token came with the call."""

    title = "Not signed in"
    status = 401
    exit_code = 4


class NotFound(AuditLedgerError):
    """The named ledger, case, entry, register or command does not exist."""

    title = "Not found"
    status = 404
    exit_code = 2


class Conflict(AuditLedgerError):
    """The case has moved on: its version is not the expected one. Nothing was written."""

    title = "Conflict"
    status = 409
    exit_code = 5


class CommandReused(AuditLedgerError):
    """The command id was already used for other content. Nothing was written."""

    title = "Command id reused"
    status = 409
    exit_code = 5


class OutcomeUnknown(AuditLedgerError):
    """The connection was lost at commit: repeat with the same command id to learn the outcome."""

    title = "Outcome unknown"
    status = 503
    exit_code = 6


class Unavailable(AuditLedgerError):
    """The service cannot answer now (database away, clock ahead, projection paused)."""

    title = "Unavailable"
    status = 503
    exit_code = 6


class CodecError(AuditLedgerError):
    """Bytes are not the one encoding of a known schema."""

    title = "Malformed bytes"
    exit_code = 7


class UnknownSchema(CodecError):
    """The bytes are framed well, but no schema here has their fingerprint: upgrade this reader."""

    title = "Unknown schema"
    status = 503


class SchemaRefused(AuditLedgerError):
    """A change of the schemas would break what is released; the message says why."""

    title = "Schema refused"
    exit_code = 7


class Tampered(AuditLedgerError):
    """Verification found an entry that is not what was recorded; names the first bad index."""

    title = "Tampered"
    exit_code = 8

    def __init__(self, ledger: str, index: int, what: str) -> None:
        self.ledger, self.index, self.what = ledger, index, what
        super().__init__(f"{ledger}: entry {index}: {what}")

    def __reduce__(self) -> tuple[type[Tampered], tuple[str, int, str]]:
        return type(self), (self.ledger, self.index, self.what)


class Diverged(AuditLedgerError):
    """What is signed or published of a ledger and what the database holds are not one history.

    A rollback, a truncation or a fork: nothing more is signed before a person has looked.
    """

    title = "Not one history"
    status = 503
    exit_code = 10


class ProofFailed(AuditLedgerError):
    """A proof does not lead to the root that it should: what it is to prove is not so, or it was altered."""

    title = "Proof failed"
    exit_code = 8


class Altered(AuditLedgerError):
    """What was handed over is not what it says of itself: a digest or a stated number does not fit."""

    title = "Altered"
    exit_code = 8


class Incomplete(AuditLedgerError):
    """Something of what was handed over is not there: cut off, left out, or never put in."""

    title = "Incomplete"
    exit_code = 11


class Untrusted(AuditLedgerError):
    """No key that was said to be trusted signed it, or the signature of one fails."""

    title = "Untrusted key"
    exit_code = 9


class VaultError(AuditLedgerError):
    """A sealed value or an attachment cannot be opened: lost or altered."""

    title = "Vault"


class ContentDestroyed(AuditLedgerError):
    """An entry destroyed what was sealed: the message says when, and under what. It does not come back."""

    title = "Destroyed"
    status = 410
    exit_code = 2


def _shown(got: object) -> str:
    """A short form of a wrong value. Values of sealed fields are never passed here by callers.

    Of an object or a list only its kind is said: what a sealed field was to hold may lie in it.
    """
    if isinstance(got, Mapping):
        return "an object"
    if isinstance(got, list | tuple | set | frozenset):
        return "a list"
    text = repr(got)
    return text if len(text) <= 80 else text[:77] + "..."
