"""`webhooks.yaml` as frozen values: who is called when something happens, and what a target may look like.

No secret stands in it: `secrets` names those that are kept in the state folder, or in the reconciler's environment.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, model_validator

from stagedoor.core.spec import API_VERSION, Created, Switch, Text, Time, Unfit, Value

WEBHOOKS_FILE: Final = "registry_spec/webhooks.yaml"
MAX_URL: Final = 2048
MAX_WEBHOOKS: Final = 1000

Style = Literal["databricks", "mlflow"]
Status = Literal["ACTIVE", "DISABLED", "TEST_MODE"]
SecretName = Literal["secret", "authorization", "access_token"]

# https://docs.databricks.com/aws/en/mlflow/model-registry-webhooks
DATABRICKS_EVENTS: Final = (
    "MODEL_VERSION_CREATED",
    "MODEL_VERSION_TRANSITIONED_STAGE",
    "MODEL_VERSION_TRANSITIONED_TO_STAGING",
    "MODEL_VERSION_TRANSITIONED_TO_PRODUCTION",
    "MODEL_VERSION_TRANSITIONED_TO_ARCHIVED",
    "MODEL_VERSION_TAG_SET",
    "TRANSITION_REQUEST_CREATED",
    "TRANSITION_REQUEST_TO_STAGING_CREATED",
    "TRANSITION_REQUEST_TO_PRODUCTION_CREATED",
    "TRANSITION_REQUEST_TO_ARCHIVED_CREATED",
    "COMMENT_CREATED",
    "REGISTERED_MODEL_CREATED",
)

# https://mlflow.org/docs/latest/ml/webhooks/
MLFLOW_EVENTS: Final = (
    "registered_model.created",
    "model_version.created",
    "model_version_tag.set",
    "model_version_tag.deleted",
    "model_version_alias.created",
    "model_version_alias.deleted",
    "prompt.created",
    "prompt_version.created",
    "prompt_tag.set",
    "prompt_tag.deleted",
    "prompt_version_tag.set",
    "prompt_version_tag.deleted",
    "prompt_alias.created",
    "prompt_alias.deleted",
    "budget_policy.exceeded",
)

EVENTS: Final[dict[str, tuple[str, ...]]] = {"databricks": DATABRICKS_EVENTS, "mlflow": MLFLOW_EVENTS}

_MLFLOW_NAME = re.compile(r"[A-Za-z0-9._-]{1,63}")
# browsers and C libraries read 2130706433, 0x7f.1 and 127.1 as addresses; a dotted quad is what people mean
_NUMERIC_LABEL = re.compile(r"(0[xX][0-9A-Fa-f]*|[0-9]+)")


def _digits(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class HttpTarget(Value):
    """Where the payload is posted. `verify` is whether the certificate has to be good."""

    url: Annotated[str, Field(min_length=1, max_length=MAX_URL)]
    verify: Switch = True


class JobTarget(Value):
    """A job of a Databricks workspace that is run with the payload."""

    job_id: Annotated[str, BeforeValidator(_digits), Field(pattern=r"^[0-9]{1,19}$")]
    workspace_url: Annotated[str, Field(min_length=1, max_length=MAX_URL)]


class Webhook(Value):
    """One webhook: of a model, which it follows through a rename by `model_id`, or of the whole registry."""

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    name: Annotated[Text, Field(max_length=100)] = ""
    style: Style = "databricks"
    model: Text = ""
    model_id: Text = ""
    events: Annotated[tuple[str, ...], Field(min_length=1, max_length=50)]
    description: Annotated[Text, Field(max_length=10_000)] = ""
    status: Status = "ACTIVE"
    http: HttpTarget | None = None
    job: JobTarget | None = None
    secrets: tuple[SecretName, ...] = ()
    created: Created
    updated: Time | None = None

    @property
    def url(self) -> str:
        """Where it calls: the target, or the workspace whose job it runs."""
        return self.http.url if self.http else self.job.workspace_url if self.job else ""

    @property
    def scope(self) -> str:
        """The model it is about, by id where that is known; empty for the whole registry."""
        return self.model_id or self.model

    @property
    def title(self) -> str:
        """What people call it."""
        return f"{self.name} ({self.id[:8]})" if self.name else self.id[:8]


class Webhooks(Value):
    """`webhooks.yaml`: the webhooks of the registry and of its models."""

    apiVersion: Literal["stagedoor/v1"] = API_VERSION
    kind: Literal["Webhooks"] = "Webhooks"
    webhooks: Annotated[tuple[Webhook, ...], Field(max_length=MAX_WEBHOOKS)] = ()

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if faults := tuple(self._faults()):
            raise Unfit(faults)
        return self

    def _faults(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        seen: set[str] = set()
        for index, hook in enumerate(self.webhooks):
            if hook.id in seen:
                yield ("webhooks", index, "id"), f"the webhook {hook.id} is there twice"
            seen.add(hook.id)
            for key, said in _webhook_faults(hook):
                yield ("webhooks", index, *((key,) if key else ())), said

    def find(self, id_: str) -> Webhook | None:
        """The webhook of this id, or None."""
        return next((hook for hook in self.webhooks if hook.id == id_), None)

    def put(self, hook: Webhook) -> Webhooks:
        """With this webhook in the place of the one of its id, or at the end."""
        if self.find(hook.id) is None:
            return Webhooks(webhooks=(*self.webhooks, hook))
        return Webhooks(webhooks=tuple(hook if one.id == hook.id else one for one in self.webhooks))

    def without(self, id_: str) -> Webhooks:
        """With one webhook less."""
        return Webhooks(webhooks=tuple(hook for hook in self.webhooks if hook.id != id_))


def _webhook_faults(hook: Webhook) -> Iterator[tuple[str, str]]:
    if (hook.http is None) == (hook.job is None):
        yield "", f"webhook {hook.id[:8]} needs one target: http or job"
    if hook.style == "mlflow":
        if not _MLFLOW_NAME.fullmatch(hook.name):
            yield "name", "a webhook of MLflow's style has a name of 1 to 63 letters, digits, and . _ -"
        if hook.job is not None:
            yield "job", "a webhook of MLflow's style posts to a URL: MLflow runs no job"
        if hook.status == "TEST_MODE":
            yield "status", "MLflow knows the statuses ACTIVE and DISABLED"
    if hook.scope and "REGISTERED_MODEL_CREATED" in hook.events:
        yield "events", "a model's webhook cannot hear of REGISTERED_MODEL_CREATED: the model is there already"


# --- what a target may look like ------------------------------------------------------------------------------------


def url_fault(url: str) -> str | None:
    """What is wrong with a target's URL by its looks, or None. What its name resolves to is looked at at each call."""
    if any(ord(char) <= 32 or ord(char) == 127 for char in url) or "\\" in url:
        return "a URL may not have spaces, control characters or backslashes in it"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "this is no URL"
    if parts.scheme not in ("https", "http"):
        return "a webhook calls a URL that begins with https://"
    if "@" in parts.netloc:
        return "a user or a password may not stand in the URL"
    if parts.fragment or "#" in url:
        return "a URL with a # in it is for browsers"
    if port == 0:
        return "there is no port 0"
    return _host_fault(host)


def _host_fault(host: str) -> str | None:
    if not host:
        return "the URL names no host"
    if "%" in host:
        return "a host may not have a % in it"
    if ":" in host or _is_quad(host):
        return None if _is_address(host) else f"{host} is no address"
    if _NUMERIC_LABEL.fullmatch(host.rstrip(".").rpartition(".")[2]):
        return f"{host} is a number that some programs read as an address: write the name of the host"
    return None


def _is_quad(host: str) -> bool:
    return bool(re.fullmatch(r"[0-9]+(\.[0-9]+){3}", host))


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open internet: not private, loopback, link-local, reserved or multicast.

    An IPv4 address inside an IPv6 one counts as what it leads to: mapped, 6to4, Teredo, and NAT64
    (https://www.iana.org/assignments/iana-ipv6-special-registry/).
    """
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo or (None, None))[1] or _nat64(found)
        if inner is not None:
            return is_public(str(inner))
        if found.is_site_local or int(found) >> 32 == 0:
            return False
    return found.is_global and not found.is_multicast and not found.is_reserved and not found.is_unspecified


def _nat64(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address in ipaddress.ip_network("64:ff9b::/96"):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return None


# --- what changed between two of them -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WebhookChange:
    """One webhook that came, went or changed; `scopes` are the models it was and is about, empty for the registry."""

    id: str
    how: Literal["created", "updated", "deleted"]
    scopes: tuple[tuple[str, str], ...]

    @property
    def text(self) -> str:
        """One short line."""
        return f"webhook {self.id[:8]} is {self.how}"


def webhook_changes(before: Webhooks, after: Webhooks) -> tuple[WebhookChange, ...]:
    """What differs, in the order of the files."""
    ids = dict.fromkeys(hook.id for hook in (*before.webhooks, *after.webhooks))
    found = []
    for id_ in ids:
        was, now = before.find(id_), after.find(id_)
        if was != now:
            how: Literal["created", "updated", "deleted"]
            how = "created" if was is None else "deleted" if now is None else "updated"
            scopes = dict.fromkeys((hook.model_id, hook.model) for hook in (was, now) if hook)
            found.append(WebhookChange(id_, how, tuple(scopes)))
    return tuple(found)


def merged(base: Webhooks, ours: Webhooks, theirs: Webhooks) -> tuple[Webhooks, tuple[str, ...]]:
    """What `theirs` did to `base`, done to `ours`; and the webhooks that both sides changed in different ways."""
    clashes = []
    for change in webhook_changes(base, theirs):
        was, mine, wanted = (side.find(change.id) for side in (base, ours, theirs))
        if mine not in (was, wanted):
            clashes.append(f"both sides changed webhook {change.id[:8]}")
        else:
            ours = ours.without(change.id) if wanted is None else ours.put(wanted)
    return ours, tuple(clashes)
