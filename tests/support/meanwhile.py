"""Somebody who is faster than an answer: what they do happens right after main has moved."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_HOOK = """\
#!/bin/sh
[ "$1" = committed ] && grep -q {ref} && [ -f {flag} ] || exit 0
rm {flag}
unset GIT_DIR GIT_INDEX_FILE
exec {python} {script}
"""
_SCRIPT = """\
import contextlib, sys
sys.path[:0] = {path!r}
from pathlib import Path
from stagedoor.gitstore import Repository
from stagedoor.workflows import moving, registering, reviewing
from stagedoor.workflows.world import world_at
# whoever writes to main holds the queue, which protects nothing: a plain git push does not wait either
Repository.turn = lambda self: contextlib.nullcontext()
with world_at(Path({at!r}), email="carol@example.com") as world:
    {act}
"""


def meanwhile(at: Path, act: str, ref: str = "refs/heads/main") -> Path:
    """Let carol `act` on her `world` once, when a ref has just moved. The file that is gone when she has begun."""
    flag, script = at / "meanwhile", at / "meanwhile.py"
    script.write_text(_SCRIPT.format(path=[p for p in sys.path if p], at=str(at), act=act))
    hook = at / "hooks/reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(_HOOK.format(ref=ref, flag=flag, script=script, python=sys.executable))
    hook.chmod(0o755)
    flag.touch()
    assert os.access(hook, os.X_OK)
    return flag
