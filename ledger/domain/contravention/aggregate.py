"""Cases of contraventions found (1-law, head)."""

from __future__ import annotations

from ledger.codec.entry import SourceKind
from ledger.domain.case import Context, Role, command
from ledger.domain.common.aggregate import CommonCase
from ledger.domain.contravention.events import ContravenedRule, ContraventionFound, FoundBy
from ledger.errors import InvalidInput
from ledger.law import general

RECORDERS = frozenset({Role.PRIVACY_OFFICER, Role.REGULATOR})
"""Who records a contravention (1-law, 'Who acts')."""


class Contravention(CommonCase):
    """An unlawful act that happened: recorded, never refused for being unlawful, counted apart."""

    area = "contravention"

    @command(ContraventionFound, roles=RECORDERS, opens=True)
    def find(self, e: ContraventionFound, context: Context) -> None:
        """Record an unlawful act that was found to have happened: rule, section, what, when, steps taken."""
        imported = e.header.source.kind is SourceKind.IMPORT
        general.contravention_is_recorded_by_a_person(context.actor.role, imported=imported)
        general.contravention_names_rule(e.section, e.what, imported=False)
        if e.section is not None:
            general.is_citation("section", e.section)
        words = ("other",) if e.rule is ContravenedRule.OTHER else ()
        general.open_word_is_explained("rule", words, e.rule_words, general.CONTRAVENTIONS)
        found_by = ("other",) if e.found_by is FoundBy.OTHER else ()
        general.open_word_is_explained("found by", found_by, e.found_by_words, general.CONTRAVENTIONS)
        general.not_before(e.found_on, e.happened_date, "the contravention")
        general.not_in_future(e.found_on, context.today, context.now)
        if e.ciss_offence is not None and e.rule is not ContravenedRule.CISS:
            raise InvalidInput("ciss_offence", "none: the rule is not of the CISS", e.ciss_offence.value)
        if e.organisation is not None and context.lookup.organisation(e.organisation) is None:
            raise InvalidInput("organisation", "the id of a registered organisation", e.organisation)
        if e.about is not None:
            context.lookup.case(e.about)
