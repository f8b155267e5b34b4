"""A program that keeps a key-encryption key: the other side of the provider ``program``, as an operator writes
it.

Its key lies in a file that the ledger never reads. ``deny``, ``away`` and ``say`` in it stand for what a real
one
meets: rights taken away, a service that is down, an answer that is none; ``twice`` an answer that comes again,
``slow`` one that takes its time.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import time
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM


def answer(kept: dict, asked: dict) -> dict:
    """What is answered to one question."""
    if kept.get("deny"):
        return {"error": "denied", "detail": "no rights to this key"}
    if kept.get("away"):
        return {"error": "unavailable", "detail": "it is down\nfor the moment"}
    if asked["op"] == "name":
        return {"kek_id": kept["current"]}
    name = kept["current"] if asked["op"] == "wrap" else asked["kek_id"]
    if name not in kept["keys"]:
        return {"error": "wrong-key", "detail": f"there is no key {name} here"}
    cipher, bound = AESGCM(base64.b64decode(kept["keys"][name])), asked["key_id"].encode()
    if asked["op"] == "wrap":
        nonce = os.urandom(12)
        wrapped = nonce + cipher.encrypt(nonce, base64.b64decode(asked["key"]), bound)
        return {"kek_id": name, "wrapped": base64.b64encode(wrapped).decode()}
    wrapped = base64.b64decode(asked["wrapped"])
    try:
        return {"key": base64.b64encode(cipher.decrypt(wrapped[:12], wrapped[12:], bound)).decode()}
    except InvalidTag:
        return {"error": "altered", "detail": f"key {asked['key_id']} is not what was wrapped"}


def main() -> None:
    """Answers line by line until its input ends."""
    path = Path(sys.argv[1])
    for line in sys.stdin:
        kept, asked = json.loads(path.read_text()), json.loads(line)
        if "say" in kept:
            sys.stdout.write(kept["say"].replace("ID", str(asked["id"])))
        elif kept.get("end"):
            return
        elif not kept.get("silent"):
            said = json.dumps({"id": asked["id"], **answer(kept, asked)}) + "\n"
            time.sleep(kept.get("slow", 0))
            sys.stdout.write(said)
            if kept.get("twice"):
                sys.stdout.flush()
                time.sleep(0.3)
                sys.stdout.write(said)
        sys.stdout.flush()


if __name__ == "__main__":
    main()
