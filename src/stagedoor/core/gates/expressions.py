"""Expressions in CEL: what they see, and what they say.

The language: https://github.com/google/cel-spec/blob/master/doc/langdef.md. It has no loops but the macros over lists
and maps, so an expression ends; how long it may take is bounded before it runs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from stagedoor.core.gates.values import Ask, Circumstances, Condition, Entry
from stagedoor.core.spec import RegisteredModel, Version

# what one expression may take: the values it sees, to the power of its macros
MAX_STEPS: Final = 200_000
MAX_STRING: Final = 10_000
MAX_FILE: Final = 256 * 1024

_MACRO = re.compile(r"\.\s*(all|exists|exists_one|map|filter)\s*\(")
_ROOT = r"\b(candidate|incumbent|request|move)"
_PATH = re.compile(_ROOT + r"""((?:\s*\.\s*[A-Za-z_]\w*|\[\s*(?:"[^"\\]*"|'[^'\\]*')\s*\])+)""")
_STEP = re.compile(r"""\.\s*([A-Za-z_]\w*)|\[\s*(?:"([^"\\]*)"|'([^'\\]*)')\s*\]""")


def fault_of(source: str) -> str | None:
    """What is wrong with an expression before it is asked about anything, or None."""
    try:
        _compiled(source)
    except _errors() as error:
        return _parse_fault(error)
    if len(_MACRO.findall(source)) > 3:
        return "it has more than three of all, exists, exists_one, map and filter"
    return None


def _parse_fault(error: BaseException) -> str:
    found = re.search(r"<input>:(\d+):(\d+): (.{1,120})", str(error))
    said = found[3].split(" expecting ")[0] if found else str(error).splitlines()[0][:120]
    return f"it does not parse: {said.removeprefix('Syntax error: ')}" + (f" at column {found[2]}" if found else "")


@lru_cache(maxsize=512)
def _compiled(source: str) -> Any:
    import cel

    return cel.compile(source)


def _errors() -> tuple[type[BaseException], ...]:
    # all that the library documents; nothing an expression does may end the program
    return (ValueError, TypeError, RuntimeError, LookupError, ArithmeticError, RecursionError, MemoryError)


def held(source: str, seen: Mapping[str, Any]) -> Condition:
    """Whether an expression holds for what it sees. Whatever goes wrong is a refusal that says why."""
    if fault := fault_of(source):
        return Condition(False, f"{source}: {fault}", "mend the expression in registry.yaml")
    steps = _size(seen, source) ** max(1, len(_MACRO.findall(source)))
    if steps > MAX_STEPS:
        return Condition(False, f"{source}: it could take {steps:,} steps", "look at fewer values, or use fewer macros")
    try:
        result = _compiled(source).execute(dict(seen))
    except _errors() as error:
        return Condition(False, f"{source}: {_why(source, seen, error)}")
    if not isinstance(result, bool):
        return Condition(False, f"{source}: it gives {str(result)[:60]}, and true or false is wanted")
    return Condition(result, f"{source}{_shown(source, seen)}")


def _size(seen: Mapping[str, Any], source: str) -> int:
    """The longest list or map that a macro could go through: among what it looks at, and those it writes itself."""
    looked = [seen[root] for root in ("candidate", "incumbent", "incumbents", "request", "move") if root in source]
    return max([source.count(",") + 1, *(_longest(value) for value in looked)])


def _longest(value: Any) -> int:
    if isinstance(value, Mapping):
        return max([len(value), *(_longest(item) for item in value.values())])
    if isinstance(value, list):
        return max([len(value), *(_longest(item) for item in value)])
    return 1


def _why(source: str, seen: Mapping[str, Any], error: BaseException) -> str:
    """The error in the reader's words: nearly always something that the expression names is not there."""
    for name, steps in _paths(source):
        value: Any = seen.get(name)
        if value is None:
            return f"there is no {name}; write {name} == null || …, if it should hold then"
        for at, step in enumerate(steps):
            if not isinstance(value, Mapping) or step not in value:
                return f"{seen[name].get('ref', name)} has no {'.'.join(steps[: at + 1])}"
            value = value[step]
    said = str(error).strip("'\"").splitlines()[0]
    if isinstance(error, TypeError):
        return "the kinds of its values do not go together; numbers are double, so write 2.0 and not 2"
    return said[:160]


def _paths(source: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    for found in _PATH.finditer(source):
        steps = tuple(next(part for part in step if part is not None and part != "") for step in _steps(found[2]))
        # a function that is called on the value is no part of its path
        after = source[found.end() :].lstrip()
        yield found[1], steps[:-1] if after.startswith("(") else steps


def _steps(text: str) -> Iterator[tuple[str, ...]]:
    for found in _STEP.finditer(text):
        yield tuple(part or "" for part in found.groups()) if any(found.groups()) else ("?",)


def _shown(source: str, seen: Mapping[str, Any]) -> str:
    """The numbers that it looked at: ` (candidate.metrics.rmse = 398.1, …)`."""
    shown: dict[str, str] = {}
    for name, steps in _paths(source):
        value: Any = seen.get(name)
        for step in steps:
            value = value.get(step) if isinstance(value, Mapping) else None
        if isinstance(value, bool | int | float | str) and len(str(value)) <= 60:
            shown[".".join((name, *steps))] = f"{value:g}" if isinstance(value, float) else str(value)
    said = ", ".join(f"{path} = {value}" for path, value in list(shown.items())[:6])
    return f"   ({said})" if said else ""


# --- what an expression sees ----------------------------------------------------------------------------------------


def seen_by(entry: Entry, circumstances: Circumstances) -> dict[str, Any]:
    """The variables of an expression: candidate, incumbent, incumbents, move, request and now."""
    others = [_version(entry.model, version, circumstances) for version in entry.incumbents]
    return {
        "candidate": _version(entry.model, entry.version, circumstances),
        # of several versions in the stage the newest is what there is to be better than
        "incumbent": others[-1] if others else None,
        "incumbents": others,
        "move": {"from": entry.was, "to": entry.now},
        "request": _ask(circumstances.ask),
        "now": circumstances.now,
    }


def _ask(ask: Ask) -> dict[str, Any]:
    return {"ref": "the request", "number": ask.number, "title": _cut(ask.title), "author": ask.author}


def _version(model: RegisteredModel, version: Version, circumstances: Circumstances) -> dict[str, Any]:
    run, code, signature = version.run, version.code, version.signature
    return {
        "ref": f"{model.name}/{version.version}",
        "name": model.name,
        "version": version.version,
        "stage": version.stage,
        "source": _cut(version.source),
        "description": _cut(version.description),
        "metrics": dict(version.metrics),
        "slices": slices_of(version.metrics),
        "params": {key: _cut(value) for key, value in version.params.items()},
        "tags": {key: _cut(value) for key, value in version.tags.items()},
        "run": {"id": run.id, "name": run.name, "experiment": run.experiment, "link": run.link} if run else None,
        "code": {"repository": code.repository, "commit": code.commit} if code else None,
        "data": [{"name": one.name, "digest": one.digest} for one in version.data],
        "inputs": [column.name for column in signature.inputs] if signature else [],
        "outputs": [column.name for column in signature.outputs] if signature else [],
        "flavors": list(version.flavors),
        "digest": version.digest,
        "aliases": list(model.aliases_of(version.version)),
        "evidence": {one.name: _evidence(one.digest, one.at, circumstances) for one in version.evidence},
        "registered": version.created.at,
        "registered_by": version.created.by,
        "model": {"description": _cut(model.description), "tags": {k: _cut(v) for k, v in model.tags.items()}},
    }


def slices_of(metrics: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Metrics by slice: `north/rmse` is the metric `rmse` of the slice `north`."""
    found: dict[str, dict[str, float]] = {}
    for key, value in metrics.items():
        name, slash, metric = key.rpartition("/")
        if slash:
            found.setdefault(name, {})[metric] = value
    return found


def _evidence(digest: str, at: datetime, circumstances: Circumstances) -> dict[str, Any]:
    raw = circumstances.file_of(digest)
    return {"digest": digest, "at": at, "data": None if raw is None or len(raw) > MAX_FILE else _json(raw)}


def _json(raw: bytes) -> Any:
    try:
        return _doubles(json.loads(raw))
    except (ValueError, RecursionError):
        return None


def _doubles(value: Any, depth: int = 0) -> Any:
    """Numbers as doubles: CEL does not add 1 to 1.5, and who wrote the file did not think of it."""
    if depth > 50:
        return None
    if isinstance(value, dict):
        return {key: _doubles(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_doubles(item, depth + 1) for item in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value) if abs(value) < 1 << 53 else str(value)
    return _cut(value) if isinstance(value, str) else value


def _cut(text: str) -> str:
    return text[:MAX_STRING]
