"""What is left to ask once a negotiation no longer goes as resolved: an Auto state was refused, or bindings changed."""

from __future__ import annotations

from ampubsub.machine.handlers import ANY_ENTER, ENTER, EXIT, SELF, Handlers
from ampubsub.machine.relations import Relations
from ampubsub.machine.resolution import Resolution
from ampubsub.machine.transition import Role


class Negotiation:
    """Where one negotiation stands. An Auto mutation goes on without an Auto state that was refused."""

    __slots__ = ("refused", "resolution", "rules", "skipped", "stays", "target", "wanted")

    def __init__(self, rules: Relations, resolution: Resolution) -> None:
        self.rules = rules
        self.resolution = resolution
        self.target = list(resolution.target)
        self.stays = list(resolution.target)
        """The target as those that stay are asked."""
        self.wanted = list(resolution.target)
        """The target as pairs are asked."""
        self.skipped: set[int] = set()
        """States that stay and are not asked."""
        self.refused = 0
        """Mask of what was taken out."""

    def goes_on_without(self, role: Role) -> bool:
        """A handler in this role refused: whether the mutation goes on without its state."""
        state = role.end
        # An Auto state that refuses to leave in an Auto mutation crashes Go; here it cancels the mutation.
        if not self.resolution.auto or role.kind in (EXIT, ANY_ENTER) or not self.rules.auto >> state & 1:
            return False
        self.refused |= 1 << state
        goes_on = True
        if role.kind == SELF:
            # As in Go, the next one moves up and is not asked, and the last one asked decides for all.
            later = self.stays[self.stays.index(state) + 1 :]
            self.skipped.update(later[:1])
            goes_on = any(self.resolution.active >> other & 1 for other in later[1:])
        lists = {ENTER: (self.target, self.stays, self.wanted), SELF: (self.target, self.wanted)}
        for states in lists.get(role.kind, (self.target,)):
            if state in states:
                states.remove(state)
        return goes_on

    @property
    def in_vain(self) -> bool:
        """Nothing is left of an Auto mutation."""
        return self.resolution.auto and not self.target

    def after(self, role: Role | None, handlers: Handlers) -> list[Role]:
        """The roles that still have to be asked after this one, or all of them."""
        resolution = self.resolution
        roles = handlers.asked(
            resolution.kind,
            resolution.before,
            resolution.active,
            resolution.exits,
            resolution.enters,
            self.stays,
            self.wanted,
        )
        if role is not None:
            roles = roles[roles.index(role) + 1 :]
        return [
            other
            for other in roles
            if not (other.kind == SELF and other.end in self.skipped)
            and not (other.kind == ANY_ENTER and self.in_vain)
        ]
