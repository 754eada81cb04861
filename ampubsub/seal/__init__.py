"""Sealed topics: only who holds the secret reads, is believed, and learns the topic's name.

`keys.py` seals and opens (pure), `secret_file.py` keeps a secret, `transport.py` puts it around any transport.
docs/security.md says what it protects from, and from what not.
"""

from ampubsub.seal.keys import Secret
from ampubsub.seal.secret_file import SecretError, read_secret, write_secret
from ampubsub.seal.transport import SealedTransport

__all__ = ["SealedTransport", "Secret", "SecretError", "read_secret", "write_secret"]
