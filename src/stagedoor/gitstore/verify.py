"""Verify an archive of evidence about one version of a model: python3 verify.py [FOLDER].

Needs Python 3.8 or newer and git; signatures are verified where ssh-keygen is. Nothing else is used, nothing is
fetched, and nothing in the archive is executed. Each line is `ok`, `skipped` or `FAILED`; the first failure ends it
with exit code 1.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Iterator, Optional  # noqa: UP035 - this runs on older Pythons too

SUMS = "SHA256SUMS"
ENVIRONMENT = dict(os.environ, GIT_CONFIG_GLOBAL=os.devnull, GIT_CONFIG_NOSYSTEM="1", LC_ALL="C", TZ="UTC")


class Failed(Exception):
    """Something is not as the archive says."""


def require(holds: object, why: str) -> None:
    """Go on only where it holds."""
    if not holds:
        raise Failed(why)


# --- the files ------------------------------------------------------------------------------------------------------


def check_files(folder: Path) -> str:
    """Every file is one of those that were archived, byte by byte."""
    lines = (folder / SUMS).read_text("utf-8").splitlines()
    listed = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()} - {SUMS}
    for name in sorted(found ^ set(listed)):
        raise Failed(f"{name} is {'missing' if name in listed else 'not one of the archive'}")
    for name in sorted(found):
        digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        require(digest == listed[name], f"{name} is not what was archived")
    return f"{len(found)} files are those of {SUMS}"


# --- git ------------------------------------------------------------------------------------------------------------


class Objects:
    """The objects of the pack, in a repository of their own. Git computes every id again from the content."""

    def __init__(self, folder: Path, where: str, object_format: str) -> None:
        require(object_format in ("sha1", "sha256"), f"{object_format} is no format of git's objects")
        self.width = 20 if object_format == "sha1" else 32
        self.where = where
        self._git("init", "-q", "--bare", f"--object-format={object_format}", where)
        self._git(f"--git-dir={where}", "index-pack", "--stdin", stdin=(folder / "objects.pack").read_bytes())
        listed = self._git(f"--git-dir={where}", "cat-file", "--batch-check", "--batch-all-objects").decode("ascii")
        self.count = len(listed.splitlines())

    def _git(self, *args: str, stdin: bytes = b"") -> bytes:
        done = subprocess.run(["git", *args], input=stdin, capture_output=True, check=False, env=ENVIRONMENT)
        require(done.returncode == 0, f"git {args[-1]}: {done.stderr.decode('utf-8', 'replace').strip()}")
        return done.stdout

    def read(self, kind: str, oid: str) -> bytes:
        """One object's content."""
        require(re.fullmatch("[0-9a-f]+", oid) and len(oid) == 2 * self.width, f"{oid} is no id of an object")
        return self._git(f"--git-dir={self.where}", "cat-file", kind, oid)

    def commit(self, oid: str) -> tuple[dict[str, list[str]], str]:
        """The headers of a commit, each with its values, and its message."""
        head, _, body = self.read("commit", oid).decode("utf-8", "surrogateescape").partition("\n\n")
        headers: dict[str, list[str]] = {}
        for line in head.replace("\n ", "\0").split("\n"):
            key, _, value = line.partition(" ")
            headers.setdefault(key, []).append(value.replace("\0", "\n"))
        return headers, body

    def file(self, commit: str, path: str) -> Optional[bytes]:  # noqa: UP045
        """A file at a commit, found from tree to tree; None where there is none."""
        oid, kind = self.commit(commit)[0]["tree"][0], "tree"
        for part in path.encode("utf-8", "surrogateescape").split(b"/"):
            found = dict(self._entries(self.read("tree", oid))).get(part)
            if found is None:
                return None
            kind, oid = found
        return self.read("blob", oid) if kind == "blob" else None

    def _entries(self, raw: bytes) -> Iterator[tuple[bytes, tuple[str, str]]]:
        while raw:
            mode, _, rest = raw.partition(b" ")
            name, _, rest = rest.partition(b"\0")
            yield name, ("tree" if mode == b"40000" else "blob", rest[: self.width].hex())
            raw = rest[self.width :]


def check_chain(objects: Objects, told: Any) -> str:
    """The commits are one chain of first parents, without a gap."""
    chain, before = told["chain"], told["boundary"]
    for oid in chain:
        parents = objects.commit(oid)[0].get("parent", [])
        require(parents[:1] == ([before] if before else []), f"{oid} does not follow {before or 'the beginning'}")
        before = oid
    places = [chain.index(step["commit"]) for step in told["steps"]]
    require(places == sorted(set(places)), "the steps are not in the order of the chain")
    require(places[:1] == [0] and places[-1:] == [len(chain) - 1], "the steps are not the ends of the chain")
    return f"{len(chain)} commits follow each other from {chain[0]} to {chain[-1]}"


# --- what the registry said -----------------------------------------------------------------------------------------


def stage_in(text: str, version: int) -> Optional[str]:  # noqa: UP045
    """The stage of a version, read line by line from a model's file; empty where the version is not there.

    It knows the block style that the registry writes: the list `versions:` at the left edge, a version an item. None
    where the list is written in another way.
    """
    listed = re.search(r"^versions:[ \t]*(#.*)?\n(?P<items>(?:[ \t]*(?:#.*)?\n|[ -].*\n?)*)", text, re.M)
    if listed is None:
        return None if re.search(r"^versions:(?!\s*\[\s*\]\s*$)", text, re.M) else ""
    first = re.search(r"^( *)- ", listed["items"], re.M)
    edge = first[1] if first else ""
    for item in re.split(rf"^{edge}- ", listed["items"], flags=re.M)[1:]:
        keys = dict(re.findall(rf"^(?:\A|{edge}  )(version|stage):[ \t]+(\S.*)$", item, re.M))
        if keys.get("version") == str(version):
            return _scalar(keys.get("stage", ""))
    return ""


def _scalar(text: str) -> str:
    if text[:1] == '"':
        return str(json.loads(text))
    return text[1:-1].replace("''", "'") if text[:1] == "'" else text.strip()


def check_step(objects: Objects, folder: Path, told: Any, step: Any) -> Iterator[str]:
    """The version was in the stage that is told, by the commit itself, and the files beside it are those of git."""
    commit, number = step["commit"], told["number"]
    raw = objects.file(commit, step["path"])
    if step["spec"] is None:
        require(raw is None, f"{commit[:12]} still has {step['path']}, which is told to be gone")
    else:
        require(raw == (folder / step["spec"]).read_bytes(), f"{step['spec']} is not the file of {commit[:12]}")
    if step["by_line"]:
        found = "" if raw is None else stage_in(raw.decode("utf-8"), number)
        require(found == (step["stage"] or ""), f"{commit[:12]} says stage {found or '(none)'}, not {step['stage']}")
        yield f"ok       {step['place']} {told['ref']} is {_stage(step)} in {commit}"
    else:
        yield f"skipped  {step['place']} {commit[:12]}: the file is not written line by line"
    for name in sorted(step["policy"]):
        one = step["policy"][name]
        same = objects.file(step["parent"], one["path"]) == (folder / one["file"]).read_bytes()
        require(same, f"{one['file']} is not what stood before {commit[:12]}")


def _stage(step: Any) -> str:
    return f"in {step['stage']}" if step["stage"] else "not there any more"


def check_agreed(objects: Objects, step: Any) -> str:
    """The commit's own trailers say what is told: who asked, who approved, and that it was this head."""
    headers, body = objects.commit(step["commit"])
    lines = body.rstrip().split("\n\n")[-1].split("\n")
    author = headers["author"][0]
    require(f"<{step['author']}>" in author, f"{step['commit'][:12]} is by {author}")
    if step["request"] is None:
        return f"{step['place']} written directly by {step['author']}"
    require(f"Request: {step['request']}" in lines, f"{step['commit'][:12]} does not say request {step['request']}")
    heads = headers["parent"][1:]
    said = [f"Approved-by: {one['by']} ({one['head']})" for one in step["approvals"]]
    require(said == [line for line in lines if line.startswith("Approved-by: ")], "the approvals are not the commit's")
    for one in step["approvals"]:
        require([one["head"]] == heads, f"{one['by']} approved {one['head'][:12]}, which was not merged")
    objects.commit(heads[0])
    return f"{step['place']} request {step['request']}, approved by {', '.join(_names(step)) or 'nobody'}"


def _names(step: Any) -> list[str]:
    return [one["by"] for one in step["approvals"]]


# --- signatures -----------------------------------------------------------------------------------------------------

BEGIN = "-----BEGIN SSH SIGNATURE-----\n"


def check_signature(objects: Objects, folder: Path, step: Any, one: Any) -> str:
    """A signed approval is carried by the merge, speaks of what was merged, and is by a key that was allowed then."""
    text = (folder / one["file"]).read_text("utf-8", "surrogateescape")
    headers, _ = objects.commit(step["commit"])
    require(text.rstrip("\n") in headers.get("mergetag", []), f"{one['file']} is not in {step['commit'][:12]}")
    payload, begin, rest = text.partition(BEGIN)
    require(begin and payload.startswith(f"object {headers['parent'][1]}\n"), f"{one['file']} speaks of something else")
    require(f"\ntag approve/{step['request']}\n" in payload, f"{one['file']} is for another request")
    require(re.search(rf"^tagger .*<{re.escape(one['by'])}> ", payload, re.M), f"{one['file']} is not by {one['by']}")
    allowed = step["policy"].get("allowed_signers")
    if not shutil.which("ssh-keygen") or not allowed:
        return f"skipped  {one['file']}: {'there is no ssh-keygen' if allowed else 'nobody was allowed to sign'}"
    require(re.fullmatch(r"[^\s,*?!\"-][^\s,*?!\"]*", one["by"]), f"{one['by']} is no name of a signer")
    with tempfile.TemporaryDirectory() as place:
        signature = Path(place) / "signature"
        signature.write_text(begin + rest, "ascii")
        when = re.sub(r"\D", "", step["at"])[:14]
        command = ["ssh-keygen", "-Y", "verify", "-n", "git", "-f", str(folder / allowed["file"]), "-I", one["by"]]
        command += ["-s", str(signature), f"-Overify-time={when}"]
        data = payload.encode("utf-8", "surrogateescape")
        done = subprocess.run(command, input=data, capture_output=True, check=False, env=ENVIRONMENT)
    require(
        (done.returncode == 0) == one["good"], f"{one['file']}: the signature is {'not ' if one['good'] else ''}good"
    )
    return f"ok       {step['place']} {'signed' if one['good'] else 'a signature that is not good,'} by {one['by']}"


# --- all of it ------------------------------------------------------------------------------------------------------


def check_evidence(objects: Objects, folder: Path, told: Any) -> Iterator[str]:
    """Each file of evidence has the digest that the registry pinned."""
    last = [step for step in told["steps"] if step["stage"]][-1]
    spec = objects.file(last["commit"], last["path"]) or b""
    for one in told["evidence"]:
        require(one["digest"].encode() in spec, f"{one['name']} is not pinned")
        if one["file"] is None:
            yield f"skipped  evidence {one['name']} is kept elsewhere: {one['uri'] or 'nobody says where'}"
            continue
        digest = hashlib.sha256((folder / one["file"]).read_bytes()).hexdigest()
        require(one["digest"] == f"sha256:{digest}", f"{one['file']} is not what was pinned")
        yield f"ok       evidence {one['name']} is what was pinned"


def verify(folder: Path) -> Iterator[str]:
    """Every check, a line each. Raises `Failed` at the first difference."""
    yield f"ok       {check_files(folder)}"
    told = json.loads((folder / "version.json").read_text("utf-8"))
    with tempfile.TemporaryDirectory() as where:
        objects = Objects(folder, where, told["object_format"])
        yield f"ok       {objects.count} objects of git are what their ids say"
        yield f"ok       {check_chain(objects, told)}"
        for step in told["steps"]:
            yield from check_step(objects, folder, told, step)
            yield f"ok       {check_agreed(objects, step)}"
            for one in step["signatures"]:
                yield check_signature(objects, folder, step, one)
        yield from check_evidence(objects, folder, told)
    yield f"ok       all of it leads to {told['chain'][-1]}: compare this id with a clone that you trust"


def main(arguments: list[str]) -> int:
    """The exit code: 0 where everything is as it is told."""
    folder = Path(arguments[0] if arguments else Path(__file__).parent)
    try:
        for line in verify(folder):
            print("".join(char if char.isprintable() else "?" for char in line))
    except (Failed, OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        why = str(error) if isinstance(error, Failed) else f"the archive is damaged ({type(error).__name__}: {error})"
        print("FAILED   " + "".join(char if char.isprintable() else "?" for char in why))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
