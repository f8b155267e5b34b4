"""Facts that any case may have."""

from __future__ import annotations

from ledger.codec.declare import Attachment, CaseRef, Text
from ledger.domain.event import CaseEvent, avro_event


@avro_event("ledger.case.v1.EnteredInError")
class EnteredInError(CaseEvent):
    """The whole case should never have been entered. Its entries stay; registers leave it out and say so."""

    reason: Text


@avro_event("ledger.case.v1.MergedInto")
class MergedInto(CaseEvent):
    """The case is the same matter as another one, in which it goes on; registers count that one alone."""

    into: CaseRef
    reason: Text


@avro_event("ledger.attachment.v1.AttachmentAdded")
class AttachmentAdded(CaseEvent):
    """A file was kept with the case, encrypted under the case's key (4-wire 'Entry', attachments)."""

    file: Attachment
