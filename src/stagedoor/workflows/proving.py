"""Evidence of one version: an archive that proves, with git alone, where it was, who agreed and what they saw."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from stagedoor.core.diff import ModelMoved
from stagedoor.core.layout import PEOPLE_FILE, REGISTRY_FILE, SIGNERS_FILE, evidence_path
from stagedoor.core.requests import Request, encode_step
from stagedoor.core.spec import RegisteredModel, Version, dump, format_time
from stagedoor.core.trailers import Trailers
from stagedoor.core.views.plain import json_text
from stagedoor.core.views.plans import data as plan_data
from stagedoor.core.views.plans import text as plan_text
from stagedoor.errors import BadInput, BadRepository, BadSpec, NotFound
from stagedoor.gitstore import TooBig
from stagedoor.gitstore.packs import verifier
from stagedoor.gitstore.tags import read_tag
from stagedoor.gitstore.verify import SUMS, stage_in
from stagedoor.workflows.attesting import as_asked
from stagedoor.workflows.history import Step, steps
from stagedoor.workflows.planning import plan
from stagedoor.workflows.reading import Lineage
from stagedoor.workflows.signing import fault
from stagedoor.workflows.snapshots import Snapshot, root_of, take
from stagedoor.workflows.stays import told
from stagedoor.workflows.world import World
from stagedoor.workflows.writing import asked_of

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Proof:
    """An archive of evidence: its files by name, and what it is about."""

    ref: str
    first: str
    last: str
    steps: int
    files: Mapping[str, bytes]

    @property
    def folder(self) -> str:
        """The folder that everything stands in."""
        return f"evidence-{quote(self.ref, safe='').replace('%', '_')[:100]}"


def prove(world: World, text: str) -> Proof:
    """The evidence of `NAME/3`, which may be deleted since. The same main gives the same files.

    Raises `NotFound` for a version that never was, `BadRepository` on a shallow or partial clone.
    """
    world.repository.require_history()
    lineage = _lineage(world, text)
    return _Prover(world, lineage).proof()


def archive(proof: Proof) -> bytes:
    """The files as one `tar.gz`: sorted, without times, users and whatever else is not theirs."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in sorted(proof.files.items()):
            member = tarfile.TarInfo(f"{proof.folder}/{name}")
            member.size, member.mode = len(data), 0o644
            tar.addfile(member, io.BytesIO(data))
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=packed, mtime=0) as file:
        file.write(raw.getvalue())
    return packed.getvalue()


def _lineage(world: World, text: str) -> Lineage:
    name, slash, number = text.rpartition("/")
    if not slash or not number.isascii() or not number.isdigit():
        raise BadInput(f"{text} names no version", fix=f"write {text}/3")
    found = told(world, text, world.main())
    if not found:
        raise NotFound(f"{name} never had a version {number}", fix=f"stagedoor when {name} lists them")
    # of a model that was made again, the newest life counts
    return found[-1]


@dataclass(frozen=True)
class _Moment:
    """A commit that did something to the version, and where its model stood after it, or last."""

    step: Step
    path: str
    version: Version | None


@dataclass
class _Prover:
    world: World
    lineage: Lineage
    files: dict[str, bytes] = field(default_factory=dict)
    oids: list[str] = field(default_factory=list)

    def proof(self) -> Proof:
        moments = self._moments()
        first, last = moments[0].step.commit, moments[-1].step.commit
        chain = self._chain(first.oid, last.oid)
        self.oids += [*first.parents[:1], *chain]
        lines = [self._step(place, moment) for place, moment in enumerate(moments, start=1)]
        ref = f"{self.lineage.model}/{self.lineage.version}"
        about = {
            "format": FORMAT,
            "registry": self._registry_name(),
            "ref": ref,
            "number": self.lineage.version,
            "object_format": self.world.repository.object_format,
            "as_of": self.world.main(),
            "version": dump(self.lineage.content),
            "stays": [self._stay(span) for span in self.lineage.spans],
            "deleted_in": self.lineage.deleted_in or None,
            "boundary": first.parents[0] if first.parents else None,
            "chain": chain,
            "steps": lines,
            "evidence": list(self._evidence(moments)),
        }
        self.files["version.json"] = (json_text(about) + "\n").encode("utf-8", "surrogateescape")
        self.files["objects.pack"] = self.world.repository.pack(self.oids)
        self.files["verify.py"] = verifier()
        self.files["README.txt"] = _readme(ref, first.oid, last.oid).encode()
        sums = (f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in sorted(self.files.items()))
        self.files[SUMS] = "".join(sums).encode()
        return Proof(ref, first.oid, last.oid, len(moments), self.files)

    def _registry_name(self) -> str:
        try:
            return self.world.snapshot().spec.name
        except BadSpec:
            return ""

    def _stay(self, span: Any) -> dict[str, Any]:
        return {
            "stage": span.stage,
            "since": format_time(span.since),
            "since_commit": span.since_commit,
            "by": span.by,
            "request": span.request,
            "until": format_time(span.until) if span.until else None,
            "until_commit": span.until_commit or None,
        }

    # --- the slice of history ---

    def _chain(self, first: str, last: str) -> list[str]:
        commits = self.world.chain().commits
        return list(commits[commits.index(first) : commits.index(last) + 1])

    def _moments(self) -> list[_Moment]:
        """The commits that brought, changed or took away the version, oldest first; its file may move between them."""
        repository, number = self.world.repository, self.lineage.version
        start = repository.commit_info(self.lineage.spans[0].since_commit)
        found: list[_Moment] = []
        path = ""
        for step in steps(self.world, start.parents[0] if start.parents else None, self.lineage.deleted_in or None):
            path = _moved(step, path) if path else self._first_path(step)
            if path in step.before.models or path in step.after.models:
                was, now = _version(step.before.models.get(path), number), _version(step.after.models.get(path), number)
                moved = found and found[-1].path != path
                if not found or was != now or moved:
                    found.append(_Moment(step, path, now))
        return found

    def _first_path(self, step: Step) -> str:
        """The file in which the version came in."""
        for path, model in step.after.models.items():
            version = model.version(self.lineage.version)
            old = step.before.models.get(path)
            is_new = old is None or old.version(self.lineage.version) is None
            if version is not None and is_new and version.created == self.lineage.content.created:
                return path
        raise BadRepository("the commit that registered the version cannot be found", where=step.commit.oid[:10])

    # --- one step ---

    def _step(self, number: int, moment: _Moment) -> dict[str, Any]:
        step, place = moment.step, f"{number:02}"
        commit, trailers = step.commit, step.landed.happening.trailers
        parent = commit.parents[0] if commit.parents else None
        base, head = take(self.world.repository, parent or commit.oid), take(self.world.repository, commit.oid)
        self.oids += commit.parents[1:2]
        stage = moment.version.stage if moment.version else None
        spec = self._spec(place, moment, head)
        request = self._request(trailers)
        policy = self._policy(place, base) if parent else {}
        return {
            "place": place,
            "commit": commit.oid,
            "parent": parent,
            "at": format_time(self.world.chain().time_of(commit.oid)),
            "author": commit.author.email,
            "path": root_of(self.world.repository) + moment.path,
            "stage": stage,
            "spec": spec,
            "by_line": self._is_by_line(spec, stage),
            "request": trailers.request,
            "approvals": [{"by": one.by, "head": one.head} for one in trailers.approved_by],
            "signatures": list(self._signatures(place, step, trailers, base)),
            "policy": policy,
            "plan": self._plan(place, step, base, head, request) if parent else None,
            "reviews": self._reviews(place, request),
        }

    def _spec(self, place: str, moment: _Moment, head: Snapshot) -> str | None:
        if moment.path not in head.files:
            self._on_the_way(moment.step.commit.oid, root_of(self.world.repository) + moment.path)
            return None
        name = f"specs/{place}-{moment.step.commit.oid[:12]}.yaml"
        self.files[name] = head.raw(moment.path)
        self._on_the_way(moment.step.commit.oid, root_of(self.world.repository) + moment.path)
        return name

    def _is_by_line(self, spec: str | None, stage: str | None) -> bool:
        if spec is None:
            return True
        try:
            return stage_in(self.files[spec].decode(), self.lineage.version) == (stage or "")
        except ValueError:
            return False

    def _policy(self, place: str, base: Snapshot) -> dict[str, dict[str, str]]:
        """What stood before the step and decided about it."""
        root = root_of(self.world.repository)
        paths = [root + path for path in (REGISTRY_FILE, PEOPLE_FILE, SIGNERS_FILE)]
        with suppress(BadSpec):
            paths += [base.owners_entry[0]] if base.owners_entry else []
        found = {}
        for path in paths:
            entry = base.entry(path)
            if entry is not None and entry.is_file:
                name = path.rpartition("/")[2]
                self.files[f"policy/{place}/{name}"] = self.world.repository.blob(entry.oid)
                self._on_the_way(base.commit, path)
                found[name] = {"path": path, "file": f"policy/{place}/{name}"}
        return found

    def _on_the_way(self, commit: str, path: str) -> None:
        """Put the trees that lead to a file, and the file itself, into the pack."""
        parts = path.split("/")
        self.oids.append(self.world.repository.commit_info(commit).tree)
        for length in range(1, len(parts) + 1):
            entry = self.world.repository.entry(commit, "/".join(parts[:length]))
            if entry is not None and not entry.is_submodule:
                self.oids.append(entry.oid)

    def _signatures(self, place: str, step: Step, trailers: Trailers, base: Snapshot) -> Iterator[dict[str, Any]]:
        at, head = self.world.chain().time_of(step.commit.oid), (*step.commit.parents, "", "")[1]
        for count, text in enumerate(step.commit.mergetags, start=1):
            tag = read_tag(text)
            if tag is None or trailers.request is None or not tag.signature or not head:
                continue
            by, name = tag.tagger.email, f"signatures/{place}-{count}.tag"
            self.files[name] = text.encode("utf-8", "surrogateescape")
            good = base.signers is not None and not fault(text, trailers.request, by, head, base.signers, at)
            yield {"by": by, "file": name, "good": good}

    def _request(self, trailers: Trailers) -> Request | None:
        try:
            return self.world.forge.get(trailers.request) if trailers.request else None
        except (NotFound, BadRepository, BadSpec):
            return None

    def _reviews(self, place: str, request: Request | None) -> str | None:
        if request is None:
            return None
        name = f"reviews/{place}-request-{request.number}.json"
        kept = [json.loads(encode_step(step)) for step in request.steps]
        self.files[name] = (json_text({"number": request.number, "steps": kept}) + "\n").encode()
        return name

    def _plan(self, place: str, step: Step, base: Snapshot, head: Snapshot, request: Request | None) -> str | None:
        at = self.world.chain().time_of(step.commit.oid)
        asked = asked_of(request) if request else as_asked(step.commit, step.landed.happening.trailers)
        try:
            made = plan(self.world, base, head, asked, at=at)
        except BadSpec as error:
            self.files[f"plans/{place}.txt"] = f"it cannot be planned: {error.what}\n".encode()
            return f"plans/{place}.txt"
        self.files[f"plans/{place}.txt"] = (plan_text(made).rstrip("\n") + "\n").encode("utf-8", "surrogateescape")
        self.files[f"plans/{place}.json"] = (json_text(plan_data(made)) + "\n").encode("utf-8", "surrogateescape")
        return f"plans/{place}.txt"

    # --- files of evidence ---

    def _evidence(self, moments: Iterable[_Moment]) -> Iterator[dict[str, Any]]:
        last = [moment for moment in moments if moment.version is not None][-1]
        head = take(self.world.repository, last.step.commit.oid)
        assert last.version is not None  # noqa: S101 - chosen so
        for count, one in enumerate(last.version.evidence, start=1):
            path = evidence_path(one.digest)
            name = None
            if path in head.files and head.files[path].is_file:
                name = f"evidence/{count:02}-{quote(one.name, safe='')}"
                try:
                    self.files[name] = head.raw(path)
                except (BadSpec, TooBig):
                    name = None
            yield {"name": one.name, "digest": one.digest, "uri": one.uri, "file": name}


def _moved(step: Step, path: str) -> str:
    """Where the file stands after a step."""
    moves = (change for change in step.landed.changes if isinstance(change, ModelMoved) and change.was == path)
    return next((change.path for change in moves), path)


def _version(model: RegisteredModel | None, number: int) -> Version | None:
    return model.version(number) if model is not None else None


def _readme(ref: str, first: str, last: str) -> str:
    return f"""\
Evidence of {ref}

This archive shows in which stages the version was, which commits brought it there, who asked, who approved and
what they saw. To verify it, with Python and git alone, and without a network:

    python3 verify.py

verify.py is short: read it first, or bring your own copy of it. It says `ok` to everything that is so, and stops
at the first thing that is not. What it proves hangs on one id, the commit

    {last}

Compare that id with a clone of the registry that you trust: `git log --first-parent main` has to list it. The
first commit of the chain here is {first}.

version.json      the version as it is, its stays in stages, the chain of commits, every step with its approvals
specs/            the model's file after each step
policy/           CODEOWNERS, registry.yaml, people.yaml and allowed_signers as they stood before each step
plans/            what each step would do, as it was to be seen at the merge, and what each owner's verdict was
reviews/          the steps of the requests, where the repository that made this had them
signatures/       approvals that are signed, as tag objects of git; the merges carry them too
evidence/         the files of evidence that the version pins
objects.pack      git's own objects: every commit of the chain, and for each step the trees and files on the way
SHA256SUMS        the digest of every other file

Of a commit that did nothing to the version only the commit itself is here, and not its files: that nobody changed
the version there and changed it back is for `stagedoor audit verify` to say, on the whole repository.
An approval without a signature is the word of the merge; who wrote a commit is the word of that commit.
"""
