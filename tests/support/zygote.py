"""Runs commands of `stagedoor` for a test, each in a fork of this process: what is slow to import is imported once.

A line of JSON on the standard input is one command; the line that answers it tells how it ended.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import random
import sys
from contextlib import suppress
from typing import Any

# what commands import inside themselves
WARM = (
    "apprise",
    "pygit2",
    "jinja2",
    "stagedoor.apps.cli.main",
    *(f"stagedoor.apps.cli.{name}" for name in ("models", "requests", "reviews", "stories", "transfer", "index")),
    *(f"stagedoor.apps.cli.{name}" for name in ("setup", "webhooks")),
    *(f"stagedoor.workflows.{name}" for name in ("registering", "reviewing", "reconciling", "doctoring", "indexing")),
)
PR_SET_CHILD_SUBREAPER = 36


def run(job: dict[str, Any]) -> None:
    """In the fork: a session of its own, and whatever the command line says; never returns."""
    os.setsid()
    random.seed()
    for name, handle in (("out", 1), ("err", 2)):
        os.dup2(os.open(job[name], os.O_WRONLY | os.O_APPEND), handle)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ.update(job["env"])
    os.chdir(job["at"])
    raise SystemExit(called(job["args"]))


def called(args: list[str]) -> int:
    """The exit code of `stagedoor ARGS`, or of `@module:function ARGS`."""
    if args[0].startswith("@"):
        module, _, name = args[0][1:].partition(":")
        getattr(importlib.import_module(module), name)(*args[1:])
        return 0
    from stagedoor.apps.cli.main import main

    sys.argv = ["stagedoor", *args]
    main()
    return 0


def left(code: object) -> int:
    """The exit status that `SystemExit` asks for."""
    return code if isinstance(code, int) else int(code is not None)


def serve() -> None:
    """Until the standard input ends."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for name in WARM:
        importlib.import_module(name)
    print(json.dumps({"ready": os.getpid()}), flush=True)
    for line in sys.stdin:
        job = json.loads(line)
        child = os.fork()
        if not child:
            code = 1
            try:
                run(job)
            except SystemExit as error:
                code = left(error.code)
            except BaseException:
                sys.excepthook(*sys.exc_info())
            finally:
                with suppress(OSError, ValueError):
                    sys.stdout.flush()
                    sys.stderr.flush()
                os._exit(code)
        _, status = os.waitpid(child, 0)
        # what the command left running is ours to wait for
        with suppress(ChildProcessError):
            while True:
                os.waitpid(-1, 0)
        print(json.dumps({"code": os.waitstatus_to_exitcode(status)}), flush=True)


if __name__ == "__main__":
    serve()
