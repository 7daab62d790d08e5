"""SD1: names and layout."""

from __future__ import annotations

from collections.abc import Iterator

from stagedoor.core.checks.base import Facts, Finding, Place, check
from stagedoor.core.layout import file_name, is_model_path, name_fault, name_of, twin_key


@check("SD101", "every file reads")
def every_file_reads(facts: Facts) -> Iterator[Finding]:
    """A file that is not YAML, has a key nobody knows or a value of the wrong kind would be half understood, so it is
    not understood at all. Other files stay readable."""
    for fault in facts.unreadable:
        for one in (fault, *fault.also):
            yield Finding(one.what, at=facts.root + (one.where or ""), fix=one.fix or "")


@check("SD102", "a name is one that every client can say")
def names_are_legal(facts: Facts) -> Iterator[Finding]:
    """Databricks and MLflow refuse `/`, `:` and `.` in a registered model's name; control characters and characters
    that reorder text make two names look alike."""
    for path, model in facts.after.models.items():
        if fault := name_fault(model.name):
            yield Finding(f"{model.name!r}: {fault}", Place(path, ("name",)), "choose a name such as power-forecasting")


@check("SD103", "names are unique, and differ by more than case")
def names_are_unique(facts: Facts) -> Iterator[Finding]:
    """People check out the registry on disks that fold case, where one of two such files would hide the other. A file
    in another folder with the same name is the same name."""
    seen: dict[str, str] = {}
    for path in sorted(facts.paths):
        if is_model_path(path):
            first = seen.setdefault(twin_key(name_of(path)), path)
            if first != path:
                same = name_of(first) == name_of(path)
                what = f"the model {name_of(path)} stands in {first} too" if same else (
                    f"{name_of(path)} and {name_of(first)} differ only by case or form"
                )  # fmt: skip
                yield Finding(what, Place(path), "rename or delete one of the two")


@check("SD104", "a file is called after its model")
def file_matches_name(facts: Facts) -> Iterator[Finding]:
    """A model is found by its file's name without reading the others, and CODEOWNERS speaks of files."""
    for path, model in facts.after.models.items():
        wanted = file_name(model.name)
        if path.rsplit("/", 1)[-1] != wanted:
            what = f"the file of {model.name} should be called {wanted}"
            yield Finding(what, Place(path, ("name",)), f"git mv it to {wanted}")


@check("SD105", "registry files are plain files")
def files_are_plain(facts: Facts) -> Iterator[Finding]:
    """A symbolic link or a submodule would let a file outside the registry, or outside its history, speak for a
    model."""
    for path, what in sorted(facts.odd.items()):
        yield Finding(what, Place(path), "replace it by a plain file, or delete it")


@check("SD106", "files are in canonical form", severity="warning")
def files_are_canonical(facts: Facts) -> Iterator[Finding]:
    """One order of keys and one way to write a value keep merges clean and diffs small."""
    for path in facts.uncanonical:
        yield Finding("the file is not in canonical form", Place(path), f"stagedoor fmt {facts.root}{path}")
