"""Machines from `module:object` or `FILE.py:object`: imports the person's code, and tells its errors."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from ampubsub.machine import Machine
from ampubsub.schema_files.errors import SchemaFileError


def machines_of_object(spec: str) -> list[Machine]:
    """The machines that `spec` names; the object may be a machine, several, or a callable giving them."""
    module_name, _, path = spec.rpartition(":")
    if not module_name or not path:
        raise SchemaFileError(f"{spec}: needs a module and an object, such as shop.models:machines")
    module = _module(spec, module_name)
    found: object = module
    for part in path.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise SchemaFileError(f"{spec}: {module_name} has no {path!r}") from None
    if callable(found) and not isinstance(found, Machine):
        try:
            found = found()
        except (Exception, SystemExit) as error:
            raise SchemaFileError(f"{spec}: calling {path} failed: {_in_words(error)}") from None
    if inspect.iscoroutine(found):
        found.close()
        raise SchemaFileError(f"{spec}: {path} is async; give a plain function, a machine or a list")
    several = found if isinstance(found, Iterable) and not isinstance(found, Machine | str) else [found]
    machines: list[Machine] = []
    for machine in several:
        if not isinstance(machine, Machine):
            raise SchemaFileError(
                f"{spec}: gives a {type(machine).__name__} where an ampubsub.machine.Machine is wanted"
            )
        machines.append(machine)
    if not machines:
        raise SchemaFileError(f"{spec}: has no machines in it")
    return machines


def _module(spec: str, name: str) -> ModuleType:
    """Import as `python` would in the current folder, which a console script does not have on its path."""
    try:
        if name.endswith(".py"):
            return _module_of_file(spec, Path(name))
        if (here := str(Path.cwd())) not in sys.path:
            sys.path.insert(0, here)
        return importlib.import_module(name)
    except SchemaFileError:
        raise
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(error.name + ".")):
            raise SchemaFileError(
                f"{spec}: no module {error.name!r} here; run from the folder that holds it, or install it"
            ) from None
        raise SchemaFileError(f"{spec}: {name} cannot be imported: {_in_words(error)}") from None
    except (Exception, SystemExit) as error:
        raise SchemaFileError(f"{spec}: {name} cannot be imported: {_in_words(error)}") from None


def _module_of_file(spec: str, path: Path) -> ModuleType:
    if not path.is_file():
        raise SchemaFileError(f"{spec}: {path}: no such file")
    found = importlib.util.spec_from_file_location(path.stem, path)
    if found is None or found.loader is None:
        raise SchemaFileError(f"{spec}: {path} cannot be imported")
    if (folder := str(path.parent.resolve())) not in sys.path:
        sys.path.insert(0, folder)
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def _in_words(error: BaseException) -> str:
    """The error's kind, text and where it was raised, on one line."""
    text = " ".join(str(error).split())[:200]
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name} line {frames[-1].lineno})" if frames else ""
    if isinstance(error, SyntaxError):
        place = ""
    return f"{type(error).__name__}{': ' + text if text else ''}{place}"
