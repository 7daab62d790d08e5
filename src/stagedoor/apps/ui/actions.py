"""What people do on the pages: each form is one verb of the product, the same as on the command line and over REST."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, cast

from stagedoor.apps.ui.links import with_query
from stagedoor.apps.ui.looks import Look
from stagedoor.core.registry import Ref
from stagedoor.errors import BadInput
from stagedoor.workflows import attaching, comments, following, hooking, moving, reconciling, registering, reviewing
from stagedoor.workflows.attaching import Proof
from stagedoor.workflows.registering import Wish
from stagedoor.workflows.rights import readable
from stagedoor.workflows.writing import Lane, Outcome

Form = Mapping[str, str]
Act = Callable[[Look, Form], str]

# what a page says after it was done, by a word in its address
NOTICES: Final = {
    "created": "The model is created.",
    "described": "The description is saved.",
    "tagged": "The tags are saved.",
    "aliased": "The alias is moved.",
    "moved": "The version is moved.",
    "asked": "The request is open.",
    "commented": "The comment is there.",
    "edited": "The comment is changed.",
    "removed": "The comment is gone.",
    "followed": "What you hear of this is saved.",
    "approved": "Your approval is recorded.",
    "changes": "Your wish for changes is recorded.",
    "rejected": "The request is rejected.",
    "cancelled": "The request is cancelled.",
    "updated": "The request is on the newest main.",
    "merged": "The request is merged.",
    "redelivered": "It was delivered again.",
    "failed": "It was tried again, and failed again: the list says why.",
    "renamed": "The model has its new name.",
    "deleted": "It is deleted.",
    "attached": "The evidence is attached.",
    "detached": "The evidence is taken off.",
    "broken": "The glass is broken: gates and freezes do not hold it back, if two owners agree.",
    "nothing": "Nothing was different, so nothing was done.",
    "in": "You are signed in.",
    "out": "You are signed out.",
}


def _after(url: str, notice: str) -> str:
    return with_query(url, done=notice)


def _written(look: Look, outcome: Outcome, url: str, notice: str) -> str:
    """Where to go after a write: to the request if it became one."""
    if outcome.request is not None:
        return _after(look.links.request(outcome.request.number), "asked")
    return _after(url, notice if outcome.commit else "nothing")


def _lane(form: Form) -> Lane:
    return Lane(propose=form.get("how") == "request")


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise BadInput(f"{text[:40]!r} is no number", fix="choose one that is on the page")
    return int(text)


# --- models ---------------------------------------------------------------------------------------------------------


def create(look: Look, form: Form) -> str:
    """Create a model."""
    name = form.get("name", "").strip()
    registering.create(look.world, name, form.get("description", ""))
    return _after(look.links.model(name), "created")


def _place(look: Look, form: Form) -> tuple[str, str]:
    """The model or the version that a form is about, as a reference, and its page."""
    name, number = form.get("model", ""), form.get("version", "")
    readable(look.world, name)
    if number:
        return str(Ref(name, _number(number))), look.links.version(name, _number(number))
    return name, look.links.model(name)


def describe(look: Look, form: Form) -> str:
    """Describe a model or a version."""
    ref, url = _place(look, form)
    outcome = registering.describe(look.world, ref, form.get("description", ""), lane=_lane(form))
    return _written(look, outcome, url, "described")


def tag(look: Look, form: Form) -> str:
    """Set a tag, or remove one."""
    ref, url = _place(look, form)
    key = form.get("key", "").strip()
    if form.get("remove"):
        outcome = registering.tag(look.world, ref, {}, [form["remove"]], lane=_lane(form))
    elif key:
        outcome = registering.tag(look.world, ref, {key: form.get("value", "").strip()}, lane=_lane(form))
    else:
        raise BadInput("the tag has no name", where="name", fix="write one, such as team")
    return _written(look, outcome, url, "tagged")


def alias(look: Look, form: Form) -> str:
    """Point an alias at a version, or take it off the model."""
    name = form.get("model", "")
    readable(look.world, name)
    if form.get("remove"):
        outcome = registering.unalias(look.world, name, form["remove"], lane=_lane(form))
    else:
        ref = str(Ref(name, _number(form.get("target", ""))))
        outcome = registering.alias(look.world, ref, form.get("alias", "").strip(), lane=_lane(form))
    return _written(look, outcome, look.links.model(name), "aliased")


def rename(look: Look, form: Form) -> str:
    """Give a model another name."""
    name, new = form.get("model", ""), form.get("name", "").strip()
    readable(look.world, name)
    outcome = registering.rename(look.world, name, new, lane=_lane(form))
    return _written(look, outcome, look.links.model(new), "renamed")


def delete(look: Look, form: Form) -> str:
    """Delete a model or a version, once its name was typed."""
    ref, url = _place(look, form)
    if form.get("confirm", "").strip() != ref:
        raise BadInput(f"the name does not say {ref}", where="confirm", fix=f"type {ref} to delete it")
    outcome = registering.delete(look.world, ref, lane=_lane(form))
    if outcome.commit:
        url = look.links.model(form["model"]) if form.get("version") else look.links.home()
    return _written(look, outcome, url, "deleted")


def evidence(look: Look, form: Form) -> str:
    """Put evidence on a version, as a text or by its address and digest, or take it off."""
    ref, url = _place(look, form)
    name, text = form.get("name", "").strip(), form.get("content", "")
    if form.get("remove"):
        outcome = attaching.detach(look.world, ref, form["remove"], lane=_lane(form))
        return _written(look, outcome, url, "detached")
    if not text:
        proof = Proof(name=name, uri=form.get("uri", "").strip(), digest=form.get("digest", "").strip())
        return _written(look, attaching.attach(look.world, ref, proof, lane=_lane(form)), url, "attached")
    with TemporaryDirectory() as folder:
        file = Path(folder) / "content"
        file.write_bytes(text.encode())
        outcome = attaching.attach(look.world, ref, Proof(file=file, name=name), lane=_lane(form))
    return _written(look, outcome, url, "attached")


def follow(look: Look, form: Form) -> str:
    """Choose what to hear of a model, or follow a version."""
    ref, url = _place(look, form)
    choice = form.get("choice", "")
    if form.get("version"):
        following.follow(look.world, ref)
    elif choice in ("all", "following", "mute"):
        following.choose(look.world, ref, choice)  # type: ignore[arg-type]
    else:
        raise BadInput(f"{choice[:40]!r} is nothing to choose", fix="choose all, following or mute")
    return _after(url, "followed")


# --- versions -------------------------------------------------------------------------------------------------------


def move(look: Look, form: Form) -> str:
    """Move a version at once, or ask for it."""
    name, number = form.get("model", ""), _number(form.get("version", ""))
    readable(look.world, name)
    ref, how = Ref(name, number), form.get("how", "")
    stage, _, said = form.get("stage", "").partition("\n")
    archive, comment = bool(form.get("archive")), form.get("comment", "").strip()
    if not stage or said:
        raise BadInput("no stage was chosen", where="stage", fix="choose one of the list")
    if how == "direct":
        moving.move(look.world, ref, stage, archive_existing=archive, comment=comment)
        return _after(look.links.version(name, number), "moved")
    if archive:
        outcome = registering.transition(
            look.world, [Wish(str(ref), stage)], comment=comment, archive_existing=True, lane=Lane(propose=True)
        )
        asked = outcome.request
    else:
        asked = moving.ask(look.world, ref, stage, comment).request
    return _after(look.links.request(asked.number) if asked else look.links.version(name, number), "asked")


def comment(look: Look, form: Form) -> str:
    """Comment on a version, change a comment of one's own, or take it away."""
    ref, url = _place(look, form)
    id_, body = form.get("comment", ""), form.get("body", "").strip()
    if form.get("remove"):
        comments.remove(look.world, form["remove"])
        return _after(url, "removed")
    if id_:
        comments.edit(look.world, id_, body)
        return _after(url, "edited")
    comments.add(look.world, ref, body)
    return _after(url, "commented")


# --- requests -------------------------------------------------------------------------------------------------------


def review(look: Look, form: Form) -> str:
    """Everything that somebody can do with a request."""
    number, body = _number(form.get("request", "")), form.get("body", "").strip()
    look.world.forge.get(number)
    what = form.get("act", "")
    act = _REVIEWS.get(what)
    if act is None:
        raise BadInput(f"{what[:40]!r} is nothing to do", fix="use a button of the page")
    # what was read is what is agreed to: a head that was pushed meanwhile is another one
    act(look, number, body, form.get("head", ""))
    where = form.get("back", "")
    here = look.links.request(number)
    return _after(where if _is_ours(where) else here, _REVIEWED[what])


def _is_ours(where: str) -> bool:
    return where.startswith("/models/") and "//" not in where and "\\" not in where and where.isprintable()


def _approve(look: Look, number: int, body: str, head: str) -> None:
    reviewing.approve(look.world, number, body, head=head or None)


def _approve_and_merge(look: Look, number: int, body: str, head: str) -> None:
    reviewing.approve(look.world, number, body, head=head or None)
    reviewing.merge(look.world, number, body)


def _say(look: Look, number: int, body: str, head: str) -> None:
    if not body:
        raise BadInput("the comment is empty", where="comment", fix="write something")
    reviewing.comment(look.world, number, body)


def _ask_for_changes(look: Look, number: int, body: str, head: str) -> None:
    if not body:
        raise BadInput("nobody knows what to change", where="comment", fix="say what you wish for")
    reviewing.request_changes(look.world, number, body, head=head or None)


def _break_glass(look: Look, number: int, body: str, head: str) -> None:
    if not body:
        raise BadInput("nobody said what the emergency is", where="comment", fix="say why it cannot wait")
    reviewing.break_glass(look.world, number, body)


Review = Callable[[Look, int, str, str], object]
_REVIEWS: Final[Mapping[str, Review]] = {
    "approve": _approve,
    "approve-merge": _approve_and_merge,
    "changes": _ask_for_changes,
    "comment": _say,
    "reject": lambda look, number, body, head: reviewing.reject(look.world, number, body),
    "cancel": lambda look, number, body, head: reviewing.cancel(look.world, number, body),
    "break": _break_glass,
    "update": lambda look, number, body, head: reviewing.update(look.world, number),
    "merge": lambda look, number, body, head: reviewing.merge(look.world, number, body),
}
_REVIEWED: Final = {
    "approve": "approved", "approve-merge": "merged", "changes": "changes", "comment": "commented",
    "reject": "rejected", "cancel": "cancelled", "update": "updated", "merge": "merged",
    "break": "broken",
}  # fmt: skip


def redeliver(look: Look, form: Form, *, allow_private: bool = False) -> str:
    """Deliver a call of a webhook again, or whatever else failed and waits."""
    if form.get("key"):
        made = reconciling.redeliver(look.world, form["key"], allow_private=allow_private)
        return _after(look.links.deliveries(), "redelivered" if made.state == "delivered" else "failed")
    hooking.redeliver(look.world, form.get("delivery", ""), allow_private=allow_private)
    return _after(look.links.deliveries(), "redelivered")


ACTS: Final[Mapping[str, Act]] = {
    "create": create,
    "describe": describe,
    "tag": tag,
    "alias": alias,
    "rename": rename,
    "delete": delete,
    "evidence": evidence,
    "follow": follow,
    "move": move,
    "comment": comment,
    "review": review,
    "redeliver": cast("Act", redeliver),
}
