"""Shell completion of models, stages and requests."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import click
from click.shell_completion import CompletionItem

from stagedoor.errors import RegistryError


def _completer(
    known: Callable[[object], Iterable[str]],
) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    def complete(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from stagedoor.workflows.world import world_at

        options = ctx.find_root().params
        try:
            with world_at(options["directory"], registry=options["registry"], branch=options["branch"]) as world:
                return [CompletionItem(text) for text in known(world) if text.startswith(incomplete)]
        except RegistryError:
            # outside a registry there is nothing to complete, and a shell prompt is no place for an error
            return []

    return complete


def _names(world: object) -> Iterable[str]:
    return world.snapshot().registry.names  # type: ignore[attr-defined, no-any-return]


def _refs(world: object) -> Iterable[str]:
    for model in world.snapshot().registry:  # type: ignore[attr-defined]
        yield model.name
        yield from (f"{model.name}@{alias}" for alias in sorted(model.aliases))
        yield from (f"{model.name}/{version.version}" for version in model.versions)


def _stages(world: object) -> Iterable[str]:
    return world.snapshot().spec.stage_names  # type: ignore[attr-defined, no-any-return]


def _numbers(world: object) -> Iterable[str]:
    return (str(request.number) for request in world.forge.requests("open"))  # type: ignore[attr-defined]


complete_model = _completer(_names)
complete_ref = _completer(_refs)
complete_stage = _completer(_stages)
complete_request = _completer(_numbers)
