"""Facts of one retention item: a dataset or class of records that is outside the ledger (1-law G)."""

from __future__ import annotations

from enum import StrEnum

from ledger.codec.declare import Attachment, CaseRef, OptionalIdentifier, OptionalText, avro_enum
from ledger.domain.event import CaseEvent, avro_event


@avro_enum("ledger.retention.v1.RetentionAction")
class RetentionAction(StrEnum):
    """What is due at the end (NSW §3; 1-law G)."""

    DESTROY = "destroy"
    DE_IDENTIFY = "de_identify"
    RETURN = "return"
    TRANSFER = "transfer"
    REMOVE = "remove"


@avro_enum("ledger.retention.v1.HoldKind", default="other")
class HoldKind(StrEnum):
    """Why a hold is placed (ours; open)."""

    LITIGATION = "litigation"
    INVESTIGATION = "investigation"
    INQUIRY = "inquiry"
    ACCESS_REQUEST = "access_request"
    AUDIT = "audit"
    OTHER = "other"


@avro_event("ledger.retention.v1.RetentionScheduled")
class RetentionScheduled(CaseEvent):
    """A retention item was set up, from an agreement's table or a disposal authority.

    ``dataset``: a code or id in clear; ``what``: its words. ``holder``, ``provider``: organisations' ids.
    ``period``: ISO 8601 ('P7Y'); None: none, so it is due on the trigger. ``disposal_authority``: its number
    and class ('PROS 07/01', 'GA28 2.9.1'), by which destruction is reported; ``authority``: any in words.
    ``taken_over``: the predecessor's case of this item, which goes on here.
    """

    dataset: str | None = None
    what: OptionalText = None
    holder: str | None = None
    holder_name: OptionalIdentifier = None
    provider: str | None = None
    provider_name: OptionalIdentifier = None
    period: str | None = None
    trigger: OptionalText = None
    action: RetentionAction | None = None
    authority: OptionalText = None
    disposal_authority: str | None = None
    rationale: OptionalText = None
    agreement: CaseRef | None = None
    personal_information: bool | None = None
    taken_over: CaseRef | None = None


@avro_event("ledger.retention.v1.RetentionTriggered")
class RetentionTriggered(CaseEvent):
    """The trigger of the item came on the day it happened; its period runs from there."""

    note: OptionalText = None


@avro_event("ledger.retention.v1.NoLongerNeeded")
class NoLongerNeeded(CaseEvent):
    """The personal information is no longer needed for any purpose from the day it happened: IPP 4.2."""

    note: OptionalText = None


@avro_event("ledger.retention.v1.HoldPlaced")
class HoldPlaced(CaseEvent):
    """A hold stops every action on the item from the day it happened. ``hold``: its id in this case."""

    hold: str
    kind: HoldKind | None = None
    reason: OptionalText = None


@avro_event("ledger.retention.v1.HoldReleased")
class HoldReleased(CaseEvent):
    """The hold of that id ended on the day it happened."""

    hold: str
    reason: OptionalText = None


@avro_event("ledger.retention.v1.RecordsDestroyed")
class RecordsDestroyed(CaseEvent):
    """The records were destroyed on the day it happened. ``by_organisation``: whose people did it.

    ``early_authority``: the authority for destruction before the period had run.
    """

    what: OptionalText = None
    how: OptionalText = None
    by: OptionalIdentifier = None
    by_organisation: str | None = None
    authority: OptionalText = None
    witness: OptionalIdentifier = None
    certificate: Attachment | None = None
    early_authority: OptionalText = None


@avro_event("ledger.retention.v1.RecordsDeIdentified")
class RecordsDeIdentified(CaseEvent):
    """The records were de-identified on the day it happened; IPP 4.2 asks that it be permanent."""

    what: OptionalText = None
    how: OptionalText = None
    by: OptionalIdentifier = None
    by_organisation: str | None = None
    permanent: bool | None = None
    authority: OptionalText = None
    witness: OptionalIdentifier = None
    certificate: Attachment | None = None
    early_authority: OptionalText = None


@avro_event("ledger.retention.v1.RecordsReturned")
class RecordsReturned(CaseEvent):
    """The records were returned to who provided them, on the day it happened.

    ``copy_kept``: whether the holder still holds a copy (PDPA 4(1), IPP 4.2); so of transfer and removal.
    """

    what: OptionalText = None
    how: OptionalText = None
    by: OptionalIdentifier = None
    by_organisation: str | None = None
    to: str | None = None
    to_name: OptionalIdentifier = None
    authority: OptionalText = None
    copy_kept: bool | None = None


@avro_event("ledger.retention.v1.RecordsTransferred")
class RecordsTransferred(CaseEvent):
    """The records were transferred to another holder (an archive, a successor) on the day it happened."""

    what: OptionalText = None
    how: OptionalText = None
    by: OptionalIdentifier = None
    by_organisation: str | None = None
    to: str | None = None
    to_name: OptionalIdentifier = None
    authority: OptionalText = None
    copy_kept: bool | None = None


@avro_event("ledger.retention.v1.RecordsRemoved")
class RecordsRemoved(CaseEvent):
    """The records were removed from the holder's systems on the day it happened (NSW §3)."""

    what: OptionalText = None
    how: OptionalText = None
    by: OptionalIdentifier = None
    by_organisation: str | None = None
    authority: OptionalText = None
    copy_kept: bool | None = None
    early_authority: OptionalText = None


@avro_event("ledger.retention.v1.ProviderNotified")
class ProviderNotified(CaseEvent):
    """The recipient told the provider, on the day it happened, that data is removed or destroyed (NSW §3)."""

    provider: str | None = None
    provider_name: OptionalIdentifier = None
    by_organisation: str | None = None
    words: OptionalText = None


@avro_event("ledger.retention.v1.RecipientConfirmed")
class RecipientConfirmed(CaseEvent):
    """A recipient confirmed, on the day it happened, that its own copy is gone."""

    recipient: str | None = None
    recipient_name: OptionalIdentifier = None
    confirmation: Attachment | None = None
    words: OptionalText = None
