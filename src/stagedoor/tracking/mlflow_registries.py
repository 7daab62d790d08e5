"""Other registries that MLflow reaches: listed, and brought in line with ours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from stagedoor.core.search.values import IS_PROMPT
from stagedoor.core.transfer import Difference, ListedModel, ListedVersion, compare
from stagedoor.tracking.mlflow_runs import asking, moment

PAGE: Final = 100
# MLflow gives the next number itself, and a gap is made of versions that are deleted again
MAX_GAP: Final = 1000


def models(uri: str) -> Iterator[ListedModel]:
    """Every model of a registry by name, prompts left out. Raises `Unavailable` where it does not answer."""
    with asking(uri) as client:
        token = None
        while True:
            page = client.search_registered_models(max_results=PAGE, order_by=["name ASC"], page_token=token)
            for model in page:
                yield _model(client, model)
            token = page.token
            if not token:
                return


def prompts(uri: str) -> tuple[str, ...]:
    """The names of a registry's prompts, which it lists apart from models; none where it knows no prompts."""
    with asking(uri) as client:
        return tuple(_prompts(client))


def _prompts(client: Any) -> Iterator[str]:
    from mlflow.exceptions import MlflowException

    token = None
    while True:
        try:
            page = client.search_registered_models(f"tags.`{IS_PROMPT}` = 'true'", max_results=PAGE, page_token=token)
        except MlflowException:
            # a registry that does not know the filter has none, and its models were listed before
            return
        # one that does not heed the filter gives its models too, and MLflow shows nobody the tag
        yield from (model.name for model in page if getattr(model, "_tags", model.tags).get(IS_PROMPT) == "true")
        token = page.token
        if not token:
            return


def model(uri: str, name: str) -> ListedModel | None:
    """One model, or None."""
    with asking(uri) as client:
        return _found(client, name)


def _found(client: Any, name: str) -> ListedModel | None:
    from mlflow.exceptions import MlflowException

    try:
        return _model(client, client.get_registered_model(name))
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise


def _model(client: Any, found: Any) -> ListedModel:
    versions = sorted((_version(one) for one in _versions(client, found.name)), key=lambda version: version.number)
    aliases = {str(alias): int(number) for alias, number in (getattr(found, "aliases", None) or {}).items()}
    return ListedModel(
        name=found.name,
        at=moment(found.creation_timestamp or 0),
        description=found.description or "",
        tags=dict(found.tags),
        aliases=aliases,
        versions=tuple(versions),
    )


def _versions(client: Any, name: str) -> Iterator[Any]:
    quote = '"' if "'" in name else "'"
    token = None
    while True:
        page = client.search_model_versions(f"name = {quote}{name}{quote}", max_results=PAGE, page_token=token)
        # LIKE and = are not apart in every registry, and one with both quotes in its name cannot be asked for
        yield from (version for version in page if version.name == name)
        token = page.token
        if not token:
            return


def _version(found: Any) -> ListedVersion:
    return ListedVersion(
        number=int(found.version),
        source=found.source or "",
        at=moment(found.creation_timestamp or 0),
        stage=found.current_stage or "None",
        description=found.description or "",
        tags=dict(found.tags),
        run_id=found.run_id or "",
        run_link=found.run_link or "",
        user=found.user_id or "",
    )


# --- writing ----------------------------------------------------------------------------------------------------------


def mirror(uri: str, ours: ListedModel) -> tuple[str, ...]:
    """Make a model there as it is here; what could not be done, one sentence each. Nothing there is deleted.

    It looks first and does what is missing, so that it can run again after it was stopped.
    """
    with asking(uri) as client:
        there = _found(client, ours.name)
        if there is None:
            client.create_registered_model(ours.name, dict(ours.tags), ours.description)
        left = [said for version in ours.versions if (said := _add(client, ours, version.number, there))]
        now = _found(client, ours.name)
        left += [said for one in compare(ours, now) if (said := _mend(client, one))]
        return tuple(dict.fromkeys(left))


def _add(client: Any, ours: ListedModel, number: int, there: ListedModel | None) -> str:
    version = ours.version(number)
    if version is None or (there and there.version(number)):
        return ""
    for _ in range(MAX_GAP):
        made = client.create_model_version(
            ours.name, version.source, version.run_id or None, dict(version.tags), version.run_link or None,
            version.description, await_creation_for=0,
        )  # fmt: skip
        if int(made.version) == number:
            return ""
        client.delete_model_version(ours.name, str(made.version))
        if int(made.version) > number:
            return f"{ours.name}/{number} cannot be made: the next number there is {made.version}"
    return f"{ours.name}/{number} cannot be made: the gap before it is too wide"


def _mend(client: Any, one: Difference) -> str:
    """Bring one field in line; a sentence where it cannot be."""
    from mlflow.exceptions import MlflowException

    try:
        return _set(client, one)
    except MlflowException as error:
        return f"{one.subject}: {str(error.message).partition(chr(10))[0][:300]}"


def _set(client: Any, one: Difference) -> str:
    name, version = one.model, None if one.version is None else str(one.version)
    match one.field:
        case "description" if version is None:
            client.update_registered_model(name, one.here or "")
        case "description":
            client.update_model_version(name, version, one.here or "")
        case "stage":
            client.transition_model_version_stage(name, version, one.here)
        case "alias" if one.here is None:
            client.delete_registered_model_alias(name, one.key)
        case "alias":
            client.set_registered_model_alias(name, one.key, one.here)
        case "tag":
            _set_tag(client, one, name, version)
        case "version" if one.here is None:
            return f"{one.subject} is there alone, and is not deleted"
        case "model" | "version":
            return ""
        case _:
            return f"{one.subject} is another there, and cannot be changed"
    return ""


def _set_tag(client: Any, one: Difference, name: str, version: str | None) -> None:
    if version is None and one.here is None:
        client.delete_registered_model_tag(name, one.key)
    elif version is None:
        client.set_registered_model_tag(name, one.key, one.here)
    elif one.here is None:
        client.delete_model_version_tag(name, version, one.key)
    else:
        client.set_model_version_tag(name, version, one.key, one.here)
