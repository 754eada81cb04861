"""Machines from files (TOML, YAML, JSON) and from Python objects, for programs that are told what to expose.

`load_machines("shop.toml")` and `load_machines("shop.models:machines")` return machines ready to be exposed;
whatever is wrong ends in a `SchemaFileError` whose text is one line for the person who wrote the file.
`docs/schema-files.md` describes the format.
"""

from ampubsub.schema_files.errors import FileLimits, SchemaFileError
from ampubsub.schema_files.loading import load_machines

__all__ = ["FileLimits", "SchemaFileError", "load_machines"]
