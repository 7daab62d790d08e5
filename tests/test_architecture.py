"""The house: imports point down, rooms on one floor are strangers, the core is pure."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "stagedoor"
# cel evaluates an expression over the values it is given, and reaches nothing else
PURE_LIBRARIES = {"pydantic", "yaml", "cel", "stagedoor"}
FLOORS = {
    "errors": 0,
    "core": 1,
    "gitstore": 2,
    "forges": 3,
    "effects": 3,
    "index": 3,
    "artifacts": 3,
    "tracking": 3,
    "workflows": 4,
    "apps": 5,
    # what puts doors together stands above them
    "apps.server": 6,
}
IMPURE = {
    "os",
    "sys",
    "io",
    "subprocess",
    "socket",
    "time",
    "random",
    "pathlib",
    "tempfile",
    "shutil",
    "logging",
    "threading",
    "urllib.request",
    "http",
    "asyncio",
    "secrets",
    "uuid",
    "locale",
    "fcntl",
    "signal",
}


def modules() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield node.module or ""


def room(module: str) -> str:
    """The room a module of ours is in; for an app its own door too, as doors don't know each other."""
    parts = module.split(".")
    name = parts[1] if len(parts) > 1 else ""
    return f"apps.{parts[2]}" if name == "apps" and len(parts) > 2 else name


def floor_of(name: str) -> int | None:
    """The floor of a room; a door that has none of its own is on that of the doors."""
    return FLOORS.get(name, FLOORS.get(name.partition(".")[0]))


def own_name(path: Path) -> str:
    return ".".join(("stagedoor", *path.relative_to(SOURCE).with_suffix("").parts))


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_point_down_and_rooms_on_one_floor_are_strangers(path: Path) -> None:
    mine = room(own_name(path))
    floor = floor_of(mine)
    for module in imports(path):
        theirs = room(module) if module.startswith("stagedoor") else ""
        if not theirs or theirs == mine or floor is None:
            continue
        below = floor_of(theirs)
        assert below is not None and below < floor, (
            f"{own_name(path)} ({mine}, floor {floor}) imports {module} (floor {below})"
        )


@pytest.mark.parametrize(
    "path", sorted((SOURCE / "core").rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE))
)
def test_the_core_knows_no_disk_net_clock_environment_or_printing(path: Path) -> None:
    for module in imports(path):
        top = module.split(".")[0]
        assert module not in IMPURE and top not in IMPURE, f"{path.name} imports {module}"
        assert top in sys.stdlib_module_names or top in PURE_LIBRARIES, f"{path.name} imports {module}"
    calls = {
        node.func.id
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not calls & {"open", "print", "input", "exec", "eval", "compile", "__import__"}


def test_every_module_opens_with_one_line_that_says_what_lives_here() -> None:
    for path in modules():
        if path.read_text().strip():
            docstring = ast.get_docstring(ast.parse(path.read_text()))
            assert docstring, path
            assert docstring.splitlines()[0].endswith((".", ":")), path


def test_only_gitstore_knows_git() -> None:
    for path in modules():
        # the demo plays people at a shell, so it runs git as they do
        if room(own_name(path)) != "gitstore" and "demo" not in path.parts:
            found = {module.split(".")[0] for module in imports(path)} & {"git", "pygit2", "subprocess"}
            assert not found, f"{path} imports {found}"


def test_apprise_is_known_by_one_module() -> None:
    knowing = [own_name(path) for path in modules() if "apprise" in {m.split(".")[0] for m in imports(path)}]
    assert knowing == ["stagedoor.effects.notify"]


def test_mlflow_is_known_by_one_room_and_its_own_door() -> None:
    knowing = {own_name(path) for path in modules() if "mlflow" in {m.split(".")[0] for m in imports(path)}}
    # serving loads models with it, in processes of their own
    homes = (
        "stagedoor.tracking.mlflow_", "stagedoor.apps.mlflow_plugin.", "stagedoor.effects.serving.",
        "stagedoor.workflows.fetching",
    )  # fmt: skip
    assert {name for name in knowing if not name.startswith(homes)} == set()
