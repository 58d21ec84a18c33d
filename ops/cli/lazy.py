"""Groups whose commands are imported only when they are used, so that help is quick."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import rich_click as click

Place = tuple[str, str]  # "module:attribute", and the line of help


class LazyGroup(click.RichGroup):
    """``places``: name -> where the command is defined and its line in the help."""

    def __init__(self, *arguments: Any, places: Mapping[str, Place], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.places = places
        for name, (_, line) in places.items():
            self.add_command(click.RichCommand(name=name, help=line))  # a placeholder

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """In the order in which they were given."""
        return list(self.places)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command itself."""
        name, found, rest = super().resolve_command(ctx, args)
        return name, self.load(name) if name and found else found, rest

    def load(self, name: str) -> click.Command:
        """Import a command, under the name by which it is called."""
        module, _, attribute = self.places[name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        command.name = name
        return command
