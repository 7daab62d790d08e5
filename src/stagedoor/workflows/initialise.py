"""A new registry: the files it starts with, in a new repository or beside what is there."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Literal

from stagedoor import __version__
from stagedoor.core.layout import MODELS, PEOPLE_FILE, REGISTRY_FILE, SPEC_FOLDER
from stagedoor.core.owners import LOCATIONS, is_owner
from stagedoor.core.owners.edit import set_owners
from stagedoor.core.policy import Host, Owners, RegistrySpec
from stagedoor.core.reading import text_of
from stagedoor.core.schemas import schema_files
from stagedoor.core.spec import People, Person
from stagedoor.core.trailers import Trailers, message
from stagedoor.errors import AlreadyExists, BadInput, BadRepository
from stagedoor.forges.base import Actor
from stagedoor.gitstore import RefUpdate, Repository
from stagedoor.workflows.snapshots import root_of
from stagedoor.workflows.world import World, checked_email

ForgeKind = Literal["", "embedded", "github", "gitlab", "gitea"]
Dialect = Literal["github", "gitlab"]

OWNERS_HEADER = """\
# Who may what. The last line that matches wins. A line for a path below a model file gives a right of its own:
#   /registry_spec/models/*.yaml/@Staging      who may move versions among None, Staging and Archived
#   /registry_spec/models/*.yaml/@Production   who may move versions into and out of Production
#   /registry_spec/models/*.yaml/@Manage       who may rename and delete
"""


@dataclass(frozen=True, slots=True)
class Initialised:
    """Where the new registry is, and the commit that holds it."""

    directory: Path
    root: str
    commit: str
    owner: str
    files: tuple[str, ...]


def initialise(
    directory: Path,
    *,
    owner: str | None,
    name: str = "",
    bare: bool = False,
    object_format: str = "sha1",
    dry_run: bool = False,
    forge: ForgeKind = "",
) -> Initialised:
    """Make a registry in `directory`: a new repository, an existing one, or a folder of a monorepo.

    `owner` (default: git's `user.email`) owns everything at first. Nothing that is there is overwritten; a CODEOWNERS
    file gains lines. With `forge` the host's own workflows come along.

    Raises `AlreadyExists` where a registry is. A refusal, and a dry run, leave nothing behind.
    """
    directory = directory.resolve()
    if owner is not None:
        _checked_owner(owner)
    if dry_run and not directory.exists():
        with tempfile.TemporaryDirectory() as folder:
            tried = Path(folder) / directory.name
            made = initialise(tried, owner=owner, name=name, bare=bare, object_format=object_format, forge=forge)
        return replace(made, directory=directory, commit="")
    repository, created = _repository(directory, bare, object_format)
    try:
        return _found(repository, directory, owner, name, created=created, dry_run=dry_run, forge=forge)
    except BaseException:
        if created:
            shutil.rmtree(repository.git_dir, ignore_errors=True)
        raise
    finally:
        if created and dry_run:
            shutil.rmtree(repository.git_dir, ignore_errors=True)


def _found(
    repository: Repository,
    directory: Path,
    owner: str | None,
    name: str,
    *,
    created: bool,
    dry_run: bool,
    forge: ForgeKind,
) -> Initialised:
    with repository:
        world = World(repository, claimed_email=owner)
        email = _checked_owner(owner or world.actor.email)
        known = repository.identity()
        world.actor_override = Actor(email, known[0] if known and known[1] == email else email.partition("@")[0])
        tip = repository.tip()
        top = f"{repository.root}/" if repository.root else ""
        if tip is not None and repository.entry(tip, top + REGISTRY_FILE) is not None:
            raise AlreadyExists(
                "there is a registry here already", where=str(directory), fix=f"stagedoor -C {directory} models"
            )
        files = _files(world, tip, email, name or _named_after(directory), forge)
        commit = "" if dry_run else _publish(world, tip, files)
        return Initialised(directory, repository.root, commit, email, tuple(sorted(files)))


def _named_after(directory: Path) -> str:
    """The folder's name; what is no UTF-8 in it becomes a question mark."""
    return directory.name.removesuffix(".git").encode("utf-8", "replace").decode() or "models"


def _checked_owner(email: str) -> str:
    if not is_owner(checked_email(email)):
        raise BadInput(f"{email} cannot stand in CODEOWNERS", fix="use an address in ASCII: --owner ann@example.com")
    return email


def _repository(directory: Path, bare: bool, object_format: str) -> tuple[Repository, bool]:
    try:
        found = Repository.open(directory) if directory.is_dir() else None
    except BadRepository:
        found = None
    if found is None:
        directory.mkdir(parents=True, exist_ok=True)
        if any(directory.iterdir()) and bare:
            raise BadInput(f"{directory} is not empty", fix="choose an empty folder for a bare repository")
        return Repository.init(directory, bare=bare, object_format=object_format), True
    if found.work_tree is not None and found.work_tree.resolve() != directory:
        inside = directory.relative_to(found.work_tree.resolve()).as_posix()
        found.close()
        found = Repository.open(directory, registry=inside)
    return found, False


def _files(world: World, tip: str | None, email: str, name: str, forge: ForgeKind) -> dict[str, bytes]:
    root = root_of(world.repository)
    person = Person(email=email, name=world.actor.name)
    # Gitea's own file takes no addresses; in .github/ it is read by us alone, with GitHub's rules
    dialect: Dialect = "gitlab" if forge == "gitlab" else "github"
    spec = RegistrySpec(name=name, owners=Owners(dialect=dialect), forge=Host(kind=forge))
    own = {
        REGISTRY_FILE: text_of(spec, REGISTRY_FILE).encode(),
        PEOPLE_FILE: text_of(People(people=(person,)), PEOPLE_FILE).encode(),
        f"{MODELS}.gitkeep": b"",
        **schema_files(),
    }
    files = {root + path: data for path, data in own.items()}
    more = _lacking(world.repository, tip, forge)
    path, text = _owners_text(world.repository, tip, dialect)
    guarded = [f"/{root}{SPEC_FOLDER}/", f"/{path}" if "/" not in path else f"/{path.rpartition('/')[0]}/"]
    guarded += [f"/{file}" for file in more if not f"/{file}".startswith(tuple(guarded))]
    for pattern in guarded:
        text = set_owners(text, pattern, (email,))
    return {**files, **more, path: text.encode()}


# what is written for a host, by its path from the repository's top
_SCAFFOLDS: dict[str, dict[str, str]] = {
    "github": {
        ".github/workflows/stagedoor-validate.yml": "github/validate.yml",
        ".github/workflows/stagedoor-reviewed.yml": "github/reviewed.yml",
        ".github/workflows/stagedoor-gate.yml": "github/gate.yml",
        ".github/workflows/stagedoor-reconcile.yml": "github/reconcile.yml",
        ".github/workflows/stagedoor-drift.yml": "github/drift.yml",
        ".github/workflows/stagedoor-pages.yml": "github/pages.yml",
        ".github/pull_request_template.md": "github/pull_request_template.md",
        ".github/ISSUE_TEMPLATE/transition.yml": "github/transition.yml",
    },
    "gitlab": {
        ".gitlab-ci.yml": "gitlab/gitlab-ci.yml",
        ".gitlab/merge_request_templates/Default.md": "gitlab/merge_request.md",
        ".gitlab/issue_templates/Transition.md": "gitlab/transition.md",
    },
}


def scaffold(forge: ForgeKind) -> dict[str, bytes]:
    """The workflows and templates of a host, by their path from the repository's top."""
    folder = resources.files("stagedoor.workflows") / "scaffold"
    texts = {path: (folder / name).read_text("utf-8") for path, name in _SCAFFOLDS.get(forge, {}).items()}
    return {path: text.replace("STAGEDOOR_VERSION", __version__).encode() for path, text in texts.items()}


def _lacking(repository: Repository, tip: str | None, forge: ForgeKind) -> dict[str, bytes]:
    """What a host's scaffold adds; a file that is there already stays as it is."""
    return {p: raw for p, raw in scaffold(forge).items() if tip is None or repository.entry(tip, p) is None}


def _owners_text(repository: Repository, tip: str | None, dialect: Dialect) -> tuple[str, str]:
    for path in LOCATIONS[dialect]:
        entry = repository.entry(tip, path) if tip else None
        if entry is not None and entry.is_file:
            return path, repository.blob(entry.oid).decode("utf-8", "surrogateescape")
    return LOCATIONS[dialect][0], OWNERS_HEADER.replace("/registry_spec/", f"/{root_of(repository)}{SPEC_FOLDER}/")


def _publish(world: World, tip: str | None, files: dict[str, bytes]) -> str:
    repository = world.repository
    base = repository.commit_info(tip).tree if tip else None
    tree = repository.write_tree(base, dict(files))
    who = world.signature()
    text = message("Make a model registry", "", Trailers(requested_by=world.actor.email))
    commit = repository.commit(tree, (tip,) if tip else (), author=who, committer=who, message=text)
    repository.publish((RefUpdate(repository.ref, tip, commit),), "stagedoor: init")
    return commit
