"""Go's gob encoding, as much of it as debugger telemetry needs. Pure: bytes in, values out, and back.

Booleans, integers, text, bytes, lists, maps, structs, values that write themselves (`time.Time`) and interface
values; no floats, no complex numbers. Source: the documentation of Go's `encoding/gob`. Everything a stranger
can send is bounded by `GobLimits`.
"""

from ampubsub.telemetry.gob.decoder import Decoder
from ampubsub.telemetry.gob.encoder import Encoder
from ampubsub.telemetry.gob.errors import GobError, GobLimits
from ampubsub.telemetry.gob.times import read_time, write_time
from ampubsub.telemetry.gob.types import Kind, ListOf, MapOf, Opaque, StructOf

__all__ = [
    "Decoder",
    "Encoder",
    "GobError",
    "GobLimits",
    "Kind",
    "ListOf",
    "MapOf",
    "Opaque",
    "StructOf",
    "read_time",
    "write_time",
]
