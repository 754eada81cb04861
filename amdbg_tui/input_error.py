"""What a command raises when something the person typed cannot be used: one line, exit status 2."""

from __future__ import annotations

import click

WRONG_INPUT = 2


class InputError(click.ClickException):
    """Something the person typed cannot be used; the text is one line."""

    exit_code = WRONG_INPUT
