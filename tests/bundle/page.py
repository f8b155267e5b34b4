"""What ``verify.html`` holds of the rest: the schemas that this version knows, and digests of its own parts.

``python -m tests.bundle.page`` writes them anew, after a schema was added or the page was edited; a test holds
the page against it. The policy in the page lets the browser run that script and that style, and nothing else.
"""

from __future__ import annotations

import base64
import json
import re
from hashlib import sha256
from pathlib import Path

from ledger.bundle import container
from ledger.bundle import page as bundled
from ledger.codec.entry import ENTRY_FRAME
from ledger.codec.registry import registry, render
from ledger.domain.keys.events import SigningKeyAdded, SigningKeyRetired

FILE = Path(bundled.__file__).parent / bundled.NAME
_SCHEMAS = re.compile(r"(// generated: schemas\n).*?(// end of schemas\n)", re.DOTALL)


def written(text: str) -> str:
    """The page with what is generated in it."""
    text = _SCHEMAS.sub(lambda found: found[1] + _schemas() + found[2], text)
    for tag in ("script", "style"):
        (content,) = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(sha256(content.encode()).digest()).decode()
        text = re.sub(f"{tag}-src '[^']*'", f"{tag}-src 'sha256-{digest}'", text, count=1)
    return text


def _schemas() -> str:
    entry, bundle_entry = ENTRY_FRAME[2:], registry().writer(container.NAME).fingerprint
    rows = sorted(
        (writer.name, each.hex(), sha256(render(writer.schema).encode()).hexdigest())
        for each, writer in registry().by_fingerprint.items()
    )
    of_keys = "".join(
        f"  {json.dumps(json.dumps(writer.schema))},\n"
        for name, writer in sorted((each.name, each) for each in registry().by_fingerprint.values())
        if name in (SigningKeyAdded.name, SigningKeyRetired.name)
    )
    known = "".join(f'  // {name}\n  ["{each}", "{digest}"],\n' for name, each, digest in rows)
    return (
        f'const ENTRY_FINGERPRINT = "{entry.hex()}";\n'
        f'const BUNDLE_ENTRY_FINGERPRINT = "{bundle_entry.hex()}";\n'
        f"const KNOWN_SCHEMAS = new Map([\n{known}]);\n"
        f"// Those by which entries outside of the bundle tell of keys.\n"
        f"const KEY_SCHEMAS = [\n{of_keys}];\n"
    )


def main() -> None:
    """Writes the page anew."""
    FILE.write_text(written(FILE.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
