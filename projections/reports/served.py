"""Reports as HTTP serves them, made in a process beside the service.

It loads no HTTP: more than a third of the time until such a process begins its work was that.
"""

from __future__ import annotations

import io
import zipfile
from urllib.parse import quote, urlencode

from projections.reports.asked import Wanted
from projections.reports.figures import Behind, Report, RowId
from projections.reports.handover import Prepared, prepare
from projections.reports.page import Link
from projections.reports.render import render


def rendered(wanted: Wanted, form: str) -> bytes:
    """A report in one format as it is served: a page with links to the registers, JSON, a ZIP of CSV files."""
    made = wanted.make()
    files = render(made, form, _in_register(made))
    return _zip(files) if form == "csv" else next(iter(files.values()))


def prepared(wanted: Wanted) -> Prepared:
    """A report ready to be handed over."""
    return prepare(wanted.make())


def _in_register(report: Report) -> Link:
    """The link from a row to its case in the register, as at the report's position and judged on its date."""
    sizes = {at.slug: at.size for at in report.positions}

    def link(row: RowId, found: Behind) -> str:
        asked = urlencode({"as_at": f"{found.slug}={sizes[found.slug]}", "on": report.judged_on})
        return f"/registers/{row.register}/cases/{found.slug}/{quote(row.stream)}?{asked}"

    return link


def _zip(files: dict[str, bytes]) -> bytes:
    """The same files give the same bytes: every member has one fixed date."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return out.getvalue()
