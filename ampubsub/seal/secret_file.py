"""The file that keeps a secret: text, one key a line, the one that seals first; for its owner's eyes only.

/ampubsub/topic/1.0.0/
/base16/
64 hex digits
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ampubsub.seal.keys import KEY_BYTES, MOST_KEYS, Secret

HEADER = ("/ampubsub/topic/1.0.0/", "/base16/")
_LONGEST = 4_096


class SecretError(Exception):
    """A secret's file that cannot be used. One line that names the file and what to do; never a key."""


def read_secret(path: Path) -> Secret:
    """The secret in a file. Raises `SecretError`."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # to open a pipe would wait
            raise SecretError(f"{path} is no file")
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if mode & 0o077:
                raise SecretError(f"others may read the secret in {path}: chmod 600 it, or make a new one")
            data = file.read(_LONGEST + 1)
    except FileNotFoundError:
        raise SecretError(
            f"there is no secret in {path}: make one with ampubsub-tui secret new {path}"
        ) from None
    except (OSError, ValueError) as error:
        raise SecretError(f"cannot read the secret in {path}: {_why(error)}") from error
    return _parse(data, path)


def _parse(data: bytes, path: Path) -> Secret:
    lines = [line.strip() for line in data.decode("ascii", "replace").splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    if len(data) > _LONGEST or tuple(lines[:2]) != HEADER:
        raise SecretError(
            f"{path} is no secret of a topic: it does not start with {HEADER[0]} and {HEADER[1]}"
        )
    keys: list[bytes] = []
    for number, line in enumerate(lines[2:], 1):
        try:
            key = bytes.fromhex(line)
        except ValueError:
            key = b""
        if len(key) != KEY_BYTES or len(line) != 2 * KEY_BYTES:
            raise SecretError(f"{path}: key {number} is not {2 * KEY_BYTES} hex digits")
        keys.append(key)
    try:
        return Secret(tuple(keys))
    except ValueError as error:
        raise SecretError(f"{path}: {error} (at most {MOST_KEYS}, one a line)") from None


def write_secret(path: Path, secret: Secret) -> None:
    """Write a secret to a new file, for its owner only. Raises `SecretError`, also when there is a file already."""
    text = "\n".join((*HEADER, *(key.hex() for key in secret.keys))) + "\n"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
    except FileExistsError:
        raise SecretError(f"{path} exists: a secret is never overwritten, choose another name") from None
    except (OSError, ValueError) as error:
        raise SecretError(f"cannot write the secret to {path}: {_why(error)}") from error


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
