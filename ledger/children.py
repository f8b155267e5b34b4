"""Programs of ours in processes of their own, found where this one was found."""

from __future__ import annotations

import sys

_BEGIN = (
    "import sys; count = int(sys.argv[2]); module, rest = sys.argv[1], sys.argv[3 + count:]; "
    "sys.path[:] = sys.argv[3:3 + count]; sys.argv[1:] = rest; "
    "from runpy import run_module; run_module(module, run_name='__main__', alter_sys=True)"
)


def command(module: str, *arguments: str) -> list[str]:
    """What runs a module as a program, with this process's own path for imports.

    Not ``python -m``: that looks first where the service happens to have been started, and whoever may write
    there could have anything run in our name.
    """
    return [sys.executable, "-I", "-c", _BEGIN, module, str(len(sys.path)), *sys.path, *arguments]
