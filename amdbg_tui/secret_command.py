"""`ampubsub-tui secret`: make the secret of a sealed topic, and see which keys one holds. Keys are never shown."""

from __future__ import annotations

from pathlib import Path

import click

from amdbg_tui.input_error import InputError


def new_secret(file: str) -> None:
    """Make a secret in a new file. Raises `InputError`."""
    from ampubsub.seal import Secret, SecretError, write_secret

    secret = Secret.new()
    try:
        write_secret(Path(file), secret)
    except SecretError as error:
        raise InputError(str(error)) from error
    click.echo(
        f"{file}: key {secret.ids[0]}, for your eyes only. Give the file to those who may take part, then:"
    )
    click.echo(f"  ampubsub-tui join ADDR --topic NAME --secret {file}")


def show_secret(file: str) -> None:
    """Print which keys a file holds, by their ids."""
    from ampubsub.seal import SecretError, read_secret

    try:
        secret = read_secret(Path(file))
    except SecretError as error:
        raise InputError(str(error)) from error
    for number, key_id in enumerate(secret.ids):
        click.echo(f"{key_id}   {'seals, opens' if number == 0 else 'opens'}")
