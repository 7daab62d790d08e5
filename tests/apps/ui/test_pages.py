"""What the pages show and what can be done on them, by real requests to a real server."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable
from urllib.parse import quote

from served import Served
from town import ANN, BOB, CAROL, DAVE
from visiting import Visitor

Visit = Callable[[str | None], Visitor]


def page_of(name: str, version: int | None = None) -> str:
    return f"/models/{quote(name, safe='')}" + (f"/versions/{version}" if version else "")


def move(name: str, version: int, stage: str, how: str, **more: str) -> dict[str, str]:
    return {"model": name, "version": str(version), "stage": stage, "how": how, **more}


def number_of(where: str) -> str:
    return where.partition("?")[0].rpartition("/")[2]


def test_the_list_shows_a_model_with_its_latest_version_its_owners_and_its_tags(
    served: Served, visit: Visit, name: str
) -> None:
    served.town.register(name)
    visit(ANN).do("tag", {"model": name, "key": "team", "value": "energy", "how": "direct"})
    shown = visit(ANN).text(f"/?q={quote(name)}")
    assert f"{name} Version 1" in shown
    assert "team energy" in shown
    assert "ann , bob +1" in shown


def test_the_list_takes_a_filter_in_mlflows_words(served: Served, visit: Visit, name: str) -> None:
    served.town.register(name)
    served.town.register(f"{name} other")
    visit(ANN).do("tag", {"model": name, "key": "tier", "value": name, "how": "direct"})
    shown = visit(DAVE).text("/?q=" + quote(f"tags.tier = '{name}'"))
    assert f"{name} Version 1" in shown
    assert f"{name} other" not in shown


def test_a_filter_that_does_not_read_is_explained_and_stays_in_the_field(visit: Visit) -> None:
    page = visit(ANN).get("/?q=" + quote("tags.team = energy OR"))
    assert 'role="alert"' in page
    assert "tags.team = energy OR" in page


def test_pages_of_the_list_lead_forth_and_back(served: Served, visit: Visit, name: str) -> None:
    for number in range(55):
        served.town.register(f"{name} many {number:02}")
    with visit(ANN) as ann:
        first = ann.get(f"/?q={quote(name + ' many')}")
        onward = first.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
        second = ann.get(onward)
        assert f"{name} many 54" in second
        back = second.split('rel="prev" href="')[1].split('"')[0].replace("&amp;", "&")
        assert f"{name} many 00" in ann.get(back)


def test_two_people_bring_a_version_into_production(served: Served, visit: Visit, name: str) -> None:
    served.town.register(name, metrics={"rmse": 412.7})
    served.town.register(name, metrics={"rmse": 398.1})
    with visit(ANN) as ann, visit(CAROL) as carol:
        asked = ann.do("move", move(name, 2, "Production", "request", comment="beats version 1"))
        number = number_of(asked.headers["location"])
        assert "waits for carol@example.com" in ann.text("/requests?state=mine")
        assert f"#{number}" in carol.text("/requests?state=waiting")
        assert "Approve and merge" in carol.get(page_of(name, 2))
        assert "Approve and merge" not in ann.get(page_of(name, 2))
        carol.do("review", {"request": number, "act": "approve-merge", "body": "good"})
        shown = carol.text(page_of(name, 2))
        assert f"{name} Version 2 Production" in shown
        assert "merged the request for None → Production" in shown
        assert "Which version was in which stage" in ann.text(page_of(name))


def test_a_direct_move_is_offered_to_whoever_may_and_refused_to_others(served: Served, visit: Visit, name: str) -> None:
    served.town.register(name)
    with visit(ANN) as ann, visit(BOB) as bob:
        assert "Transition now" not in ann.get(page_of(name, 1))
        assert "Transition now" in bob.get(page_of(name, 1))
        refused = ann.do("move", move(name, 1, "Staging", "direct", comment="let me"), status=403)
        assert "let me" in refused.text, "what was typed is lost"
        bob.do("move", move(name, 1, "Staging", "direct"))
        assert f"{name} Version 1 Staging" in bob.text(page_of(name, 1))


def test_a_request_says_why_it_cannot_merge_yet(served: Served, visit: Visit, name: str) -> None:
    served.town.register(name)
    with visit(ANN) as ann:
        number = number_of(ann.do("move", move(name, 1, "Production", "request")).headers["location"])
        page = ann.get(f"/requests/{number}")
        assert 'value="merge" disabled aria-describedby="blockers"' in page
        assert "approval by 1 of carol@example.com" in page
        assert "Files changed" in page
        ann.do("review", {"request": number, "act": "merge"}, status=409)


def test_a_request_is_discussed_rejected_and_cancelled(served: Served, visit: Visit, name: str) -> None:
    served.town.register(name)
    with visit(ANN) as ann, visit(CAROL) as carol:
        first = number_of(ann.do("move", move(name, 1, "Production", "request")).headers["location"])
        carol.do("review", {"request": first, "act": "changes", "body": "show me the **test**"})
        assert "<strong>test</strong>" in ann.get(f"/requests/{first}")
        carol.do("review", {"request": first, "act": "reject", "body": "not now"})
        assert "rejected" in ann.text(f"/requests/{first}")
        second = number_of(ann.do("move", move(name, 1, "Staging", "request")).headers["location"])
        ann.do("review", {"request": second, "act": "cancel"})
        assert "cancelled the request for None → Staging" in ann.text(page_of(name, 1))


def test_an_approval_of_a_head_that_has_moved_is_refused(served: Served, visit: Visit, name: str) -> None:
    served.town.register(name)
    with visit(ANN) as ann, visit(CAROL) as carol:
        number = number_of(ann.do("move", move(name, 1, "Production", "request")).headers["location"])
        old = served.town.as_(CAROL).forge.get(int(number)).base
        carol.do("review", {"request": number, "act": "approve", "head": old}, status=409)
        assert served.town.as_(CAROL).forge.get(int(number)).reviews == ()


def test_descriptions_tags_and_aliases_are_edited_at_once_or_asked_for(served: Served, visit: Visit, name: str) -> None:
    served.town.register(name)
    with visit(ANN) as ann, visit(DAVE) as dave:
        ann.do("describe", {"model": name, "description": "It *works*", "how": "direct"})
        assert "<em>works</em>" in ann.get(page_of(name))
        page = dave.get(page_of(name))
        assert "Ask for it" in page
        assert '<button class="main" name="how" value="direct">Save' not in page
        asked = dave.do("tag", {"model": name, "key": "team", "value": "x", "how": "request"})
        assert asked.headers["location"].startswith("/requests/")
        dave.do("tag", {"model": name, "key": "team", "value": "x", "how": "direct"}, status=403)
        visit(CAROL).do("alias", {"model": name, "alias": "champion", "target": "1", "how": "direct"})
        assert "@champion Version 1" in ann.text(page_of(name))


def test_comments_are_made_edited_and_taken_away_by_their_author(served: Served, visit: Visit, name: str) -> None:
    served.town.register(name)
    with visit(ANN) as ann, visit(BOB) as bob:
        ann.do("comment", {"model": name, "version": "1", "body": "first words"})
        assert "first words" in bob.get(page_of(name, 1))
        id_ = ann.get(page_of(name, 1)).split('name="comment" value="')[1].split('"')[0]
        bob.do("comment", {"model": name, "version": "1", "comment": id_, "body": "no"}, status=403)
        ann.do("comment", {"model": name, "version": "1", "comment": id_, "body": "other words"})
        assert "other words" in bob.get(page_of(name, 1))
        ann.do("comment", {"model": name, "version": "1", "remove": id_})
        assert "other words" not in bob.get(page_of(name, 1))


def test_what_to_hear_of_a_model_is_chosen(served: Served, visit: Visit, name: str) -> None:
    served.town.register(name)
    with visit(BOB) as bob:
        bob.do("follow", {"model": name, "choice": "mute"})
        assert '<option value="mute" selected>' in bob.get(page_of(name))


def test_a_model_is_shown_as_it_was(served: Served, visit: Visit, name: str) -> None:
    served.town.register(name)
    then = served.town.as_(CAROL).main()
    served.town.register(name)
    with visit(ANN) as ann:
        shown = ann.text(f"{page_of(name)}?at={then}")
        assert "This is how the registry was at" in shown
        assert "All 1" in shown
        assert "Edit the description" not in shown
        assert "All 2" in ann.text(page_of(name))


def test_versions_are_compared(served: Served, visit: Visit, name: str) -> None:
    served.town.register(name, metrics={"rmse": 412.7}, params={"alpha": "0.1"})
    served.town.register(name, metrics={"rmse": 398.1}, params={"alpha": "0.1"})
    with visit(ANN) as ann:
        shown = ann.text(f"{page_of(name)}/compare?v=1&v=2")
        assert "rmse 412.7 differs 398.1 differs" in shown
        assert "alpha 0.1 0.1" in shown
        ann.get(f"{page_of(name)}/compare?v=1", status=400)


def test_a_metric_is_drawn_over_the_versions(served: Served, visit: Visit, name: str) -> None:
    served.town.register(name, metrics={"rmse": 412.7, "mae": 1.0})
    served.town.register(name, metrics={"rmse": 398.1, "mae": 2.0})
    page = visit(ANN).get(f"{page_of(name)}?metric=rmse")
    assert "rmse over the versions" in page
    assert "<title>Version 2: rmse 398.1</title>" in page


def test_the_feed_is_atom_with_an_entry_for_each_event(served: Served, visit: Visit, name: str) -> None:
    served.town.register(name)
    feed = ET.fromstring(visit(ANN).get("/activity.atom"))
    space = "{http://www.w3.org/2005/Atom}"
    assert feed.tag == f"{space}feed"
    titles = [entry.findtext(f"{space}title") for entry in feed.iter(f"{space}entry")]
    assert any(f"registered {name}/1" in (title or "") for title in titles)


def test_activity_is_filtered_by_kind_model_and_person(served: Served, visit: Visit, name: str) -> None:
    served.town.register(name)
    with visit(ANN) as ann:
        assert f"registered {name}/1" in ann.text(f"/activity?model={quote(name)}&kind=model_version")
        assert f"registered {name}/1" not in ann.text(f"/activity?model={quote(name)}&kind=policy")
        assert "Nothing here" in ann.text("/activity?who=nobody")


def test_the_policy_is_told_in_words(visit: Visit) -> None:
    shown = visit(DAVE).text("/policy")
    assert "Nothing but the owners’ agreement" in shown
    assert "/registry_spec/models/*.yaml/@Production" in shown
    assert "@wind" in shown


def test_deliveries_are_for_owners_of_the_policy(visit: Visit) -> None:
    assert "Webhooks" in visit(CAROL).text("/deliveries")
    assert "for owners of the registry’s policy" in visit(DAVE).text("/deliveries")


def test_a_model_is_created(visit: Visit, name: str) -> None:
    with visit(CAROL) as carol:
        made = carol.do("create", {"name": name, "description": "new"})
        assert "No version yet" in carol.text(made.headers["location"])
        refused = carol.do("create", {"name": "a/b", "description": "kept words"}, status=400)
        assert "kept words" in refused.text


def test_what_is_not_there_gets_a_page_that_says_so(visit: Visit) -> None:
    with visit(ANN) as ann:
        for path in ("/models/nobody", "/models/nobody/versions/x", "/requests/999", "/requests/x", "/models/a/b/c"):
            assert "That did not work" in ann.text(path, status=404)
        assert "That did not work" in ann.text("/?at=1999-01-01", status=404)


def test_an_unchanged_page_is_not_sent_twice(served: Served, visit: Visit, name: str) -> None:
    with visit(ANN) as ann:
        stamp = ann.client.get("/policy").headers["etag"]
        assert ann.client.get("/policy", headers={"If-None-Match": stamp}).status_code == 304
        served.town.register(name)
        assert ann.client.get("/policy", headers={"If-None-Match": stamp}).status_code == 200
    with visit(BOB) as bob:
        assert bob.client.get("/policy", headers={"If-None-Match": stamp}).status_code == 200


def test_the_calls_of_the_api_are_where_they_were(served: Served) -> None:
    assert served.ok("GET", "mlflow/registered-models/list")
    served.refused(404, "ENDPOINT_NOT_FOUND", "GET", "mlflow/nothing")


def test_a_model_is_renamed_and_deleted_by_whoever_manages_it(served: Served, visit: Visit, name: str) -> None:
    served.town.register(name)
    with visit(ANN) as ann, visit(CAROL) as carol:
        assert 'name="how" value="direct">Rename' not in ann.get(page_of(name))
        ann.do("rename", {"model": name, "name": f"{name} two", "how": "direct"}, status=403)
        moved = carol.do("rename", {"model": name, "name": f"{name} two", "how": "direct"})
        assert moved.headers["location"].startswith(page_of(f"{name} two"))
        carol.do("delete", {"model": f"{name} two", "confirm": name, "how": "direct"}, status=400)
        carol.do("delete", {"model": f"{name} two", "confirm": f"{name} two", "how": "direct"})
        assert "That did not work" in carol.text(page_of(f"{name} two"), status=404)


def test_a_version_is_deleted_or_its_deletion_asked_for_but_never_one_in_use(
    served: Served, visit: Visit, name: str
) -> None:
    served.town.register(name)
    served.town.register(name)
    with visit(ANN) as ann, visit(CAROL) as carol:
        carol.do("move", move(name, 2, "Staging", "direct"))
        assert "It is in use: move it to Archived first" in carol.text(page_of(name, 2))
        carol.do("delete", {"model": name, "version": "2", "confirm": f"{name}/2", "how": "direct"}, status=409)
        asked = ann.do("delete", {"model": name, "version": "1", "confirm": f"{name}/1", "how": "request"})
        number = number_of(asked.headers["location"])
        carol.do("review", {"request": number, "act": "approve-merge"})
        assert "All 1" in carol.text(page_of(name))


def test_evidence_is_attached_as_text_or_by_its_address_and_taken_off(served: Served, visit: Visit, name: str) -> None:
    served.town.register(name)
    said = {"model": name, "version": "1", "how": "direct"}
    with visit(ANN) as ann:
        ann.do("evidence", {**said, "name": "evaluation", "content": '{"rmse": 1}'})
        ann.do("evidence", {**said, "name": "elsewhere", "uri": "s3://x/y", "digest": f"sha256:{'a' * 64}"})
        shown = ann.text(page_of(name, 1))
        assert "evaluation" in shown
        assert "s3://x/y" in shown
        ann.do("evidence", {**said, "name": "nothing"}, status=400)
        ann.do("evidence", {**said, "remove": "elsewhere"})
        assert "s3://x/y" not in ann.text(page_of(name, 1))


def test_the_glass_is_broken_only_where_a_gate_stops_and_with_a_reason(served: Served, visit: Visit, name: str) -> None:
    served.town.register(name)
    with visit(ANN) as ann:
        number = number_of(ann.do("move", move(name, 1, "Production", "request")).headers["location"])
        assert "Break the glass" not in ann.get(f"/requests/{number}")
        ann.do("review", {"request": number, "act": "break", "body": ""}, status=400)
        ann.do("review", {"request": number, "act": "break", "body": "the old one is poisoned"})
        assert "The glass is broken by ann@example.com: the old one is poisoned" in ann.text(f"/requests/{number}")


def test_lineage_links_out_to_the_commit_and_to_nothing_but_the_web(served: Served, visit: Visit, name: str) -> None:
    code = {"repository": "https://github.com/wind/farm.git", "commit": "a" * 40}
    served.town.register(name, code=code, source="javascript:alert(1)")
    page = visit(ANN).get(page_of(name, 1))
    assert f'href="https://github.com/wind/farm/commit/{"a" * 40}"' in page
    assert 'href="javascript' not in page
