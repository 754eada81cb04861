"""Finding peers without being told an address, each way optional: docs/discovery.md.

Sources (`mdns.py`, `book.py`, `address_list.py`) yield `Found`; one pure `Seeker` decides whom to dial and when;
`seeking.py` carries that out beside a topic. The transport knows nothing of it.
"""

from ampubsub.discovery.address_list import AddressListError, read_addresses
from ampubsub.discovery.book import AddressBook
from ampubsub.discovery.found import Found, How, topic_tag
from ampubsub.discovery.seeker import Seeker, SeekerSettings
from ampubsub.discovery.seeking import Seeking

__all__ = [
    "AddressBook",
    "AddressListError",
    "Found",
    "How",
    "Seeker",
    "SeekerSettings",
    "Seeking",
    "read_addresses",
    "topic_tag",
]
