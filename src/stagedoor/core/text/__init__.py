"""YAML text: read it strictly, write it in one way, and edit it without losing a comment."""

from stagedoor.core.text.edit import edit
from stagedoor.core.text.format import format_text
from stagedoor.core.text.plain import Plain, stringified
from stagedoor.core.text.read import MAX_BYTES, Document, read
from stagedoor.core.text.write import render

__all__ = ["MAX_BYTES", "Document", "Plain", "edit", "format_text", "read", "render", "stringified"]
