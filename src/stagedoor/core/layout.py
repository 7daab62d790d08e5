"""Where things stand in a registry: folders, file names, and what a name may be."""

from __future__ import annotations

import re
import unicodedata
from typing import Final
from urllib.parse import unquote

from stagedoor.errors import BadInput

SPEC_FOLDER: Final = "registry_spec"
MODELS: Final = f"{SPEC_FOLDER}/models/"
REGISTRY_FILE: Final = f"{SPEC_FOLDER}/registry.yaml"
PEOPLE_FILE: Final = f"{SPEC_FOLDER}/people.yaml"
QUARANTINE_FILE: Final = f"{SPEC_FOLDER}/quarantine.yaml"
WAIVERS: Final = f"{SPEC_FOLDER}/waivers/"
EVIDENCE: Final = f"{SPEC_FOLDER}/evidence/"
SIGNERS_FILE: Final = f"{SPEC_FOLDER}/allowed_signers"
TEMPLATES: Final = f"{SPEC_FOLDER}/templates/"
SCHEMAS: Final = f"{SPEC_FOLDER}/schemas/"
STAGES: Final = f"{SPEC_FOLDER}/stages/"

# 255 bytes is what a file name may have on the file systems people check out to; git adds a suffix to some
MAX_FILE_NAME: Final = 240

_SAFE = re.compile(r"[A-Za-z0-9_-]")
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])", re.IGNORECASE)


def schema_line(kind: str, path: str) -> str:
    """The first line of a file: where an editor finds the schema, as a path relative to the file."""
    up = "../" * path.removeprefix(f"{SPEC_FOLDER}/").count("/")
    return f"# yaml-language-server: $schema={up or './'}schemas/{kind}.json"


def name_fault(name: str) -> str | None:
    """What is wrong with a registered model's name, or None.

    Databricks refuses an empty name and `/ : .` in one; control characters, characters that reorder text, and white
    space at either end are ours to refuse. Spaces inside, and every other Unicode character, are allowed.
    """
    if not name:
        return "a name may not be empty"
    for char in name:
        if char in "/:.":
            return f"a name may not have {char!r} in it"
        if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp", "Cn"}:
            return f"a name may not have the character U+{ord(char):04X} in it"
    if name != name.strip():
        return "a name may not begin or end with a space"
    if unicodedata.normalize("NFC", name) != name:
        return "a name must be in Unicode's composed form (NFC)"
    if len(file_name(name).encode()) > MAX_FILE_NAME:
        return f"the name is too long: its file name would have more than {MAX_FILE_NAME} bytes"
    return None


def checked_name(name: str) -> str:
    """The name, or `BadInput` that says what is wrong with it."""
    if fault := name_fault(name):
        raise BadInput(fault, where=repr(name), fix="choose a name such as power-forecasting-model")
    return name


def twin_key(name: str) -> str:
    """Names with the same key cannot live side by side: a disk that folds case would hold one of them only."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def file_name(name: str) -> str:
    """The file name of a model: the name, with what a disk, a shell or CODEOWNERS may not like as `%XX`."""
    escaped = "".join(char if _is_plain(char) else _percent(char) for char in name)
    if _DEVICES.fullmatch(escaped) or escaped.startswith("-"):
        escaped = _percent(escaped[0]) + escaped[1:]
    return f"{escaped}.yaml"


def name_of(path: str) -> str:
    """The model name that a file's path speaks of."""
    return unquote(path.rsplit("/", 1)[-1].removesuffix(".yaml"), errors="replace")


def _is_plain(char: str) -> bool:
    return bool(_SAFE.match(char)) or (ord(char) > 127 and char.isalnum())


def _percent(char: str) -> str:
    return "".join(f"%{byte:02X}" for byte in char.encode())


def model_path(name: str, layout: str, folder: str = "") -> str:
    """The path of a new model's file, from the registry's root.

    `folder` is a folder below `models/`; without one the layout decides: `flat` puts the file there, `letter` in a
    folder of its first letter.
    """
    if not folder and layout == "letter":
        folder = name[0].lower() if name[0].isalnum() and name[0].isascii() else "_"
    return f"{MODELS}{folder.strip('/')}/{file_name(name)}" if folder.strip("/") else f"{MODELS}{file_name(name)}"


def checked_folder(folder: str) -> str:
    """A folder below `models/`, or `BadInput`."""
    parts = folder.strip("/").split("/") if folder.strip("/") else []
    if any(not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", part) or part.endswith(".yaml") for part in parts):
        raise BadInput(
            f"{folder!r} is no folder for a model", fix="use letters, digits, - and _, with / between folders"
        )
    return "/".join(parts)


def evidence_path(digest: str) -> str:
    """Where a file of evidence stands: under its digest, so that nobody can change it or need to."""
    hex_ = digest.removeprefix("sha256:")
    return f"{EVIDENCE}{hex_[:2]}/{hex_}"


def is_waiver_path(path: str) -> bool:
    """Whether a path from the registry's root is a waiver's."""
    return path.startswith(WAIVERS) and path.endswith(".yaml")


def is_model_path(path: str) -> bool:
    """Whether a path from the registry's root is a model file's."""
    return path.startswith(MODELS) and path.endswith(".yaml")


def is_stage_path(path: str) -> bool:
    """Whether a path from the registry's root is a stage file's."""
    return path.startswith(STAGES) and path.endswith(".yaml") and path.count("/") > STAGES.count("/")


def stage_path(stage: str, model_file: str) -> str:
    """The path of a model's stage file: as below `models/`, in a folder called like the stage."""
    return f"{STAGES}{file_name(stage).removesuffix('.yaml')}/{model_file.removeprefix(MODELS)}"


def model_path_of(stage_file: str) -> str:
    """The path of the model file that a stage file speaks of."""
    return MODELS + stage_file.removeprefix(STAGES).partition("/")[2]
