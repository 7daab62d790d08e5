"""`python -m stagedoor.apps.server`: serve one registry, calls and pages, until told to stop."""

from __future__ import annotations

from stagedoor.apps.api.__main__ import main
from stagedoor.apps.server.pages import pages

if __name__ == "__main__":
    main(obj=pages)
