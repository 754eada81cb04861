"""A machine as a diagram: Mermaid text, which GitHub and many editors draw."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ampubsub.machine.schema import State

_ARROWS = (
    ("require", "-->|needs|"),
    ("add", "==>|brings|"),
    ("remove", "--x|drives out|"),
    ("after", "-.->|after|"),
)


def to_mermaid(schema: Mapping[str, State], is_active: Callable[[str], bool]) -> str:
    """States as boxes, filled while active; relations as arrows. Auto states are round, Multi states have two borders."""
    number = {name: f"s{i}" for i, name in enumerate(schema)}
    lines = ["flowchart LR"]
    for name, state in schema.items():
        text = '"' + name.replace('"', "'") + '"'
        shape = f"([{text}])" if state.auto else f"[[{text}]]" if state.multi else f"[{text}]"
        lines.append(f"    {number[name]}{shape}{':::active' if is_active(name) else ''}")
    for name, state in schema.items():
        for relation, arrow in _ARROWS:
            lines += [
                f"    {number[name]} {arrow} {number[other]}"
                for other in getattr(state, relation)
                if other in number
            ]
    lines.append("    classDef active fill:#2d7,stroke:#174,color:#000")
    return "\n".join(lines)
