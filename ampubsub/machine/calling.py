"""Calling the handlers of one transition: who is asked, what a refusal, an exception or slowness does.

All goes by the calls that a resolution lists. Only when something happens that it does not foresee (an Auto state is
refused, bindings change, somebody waits for arguments) is the rest listed anew, from the role reached.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from time import monotonic
from typing import TYPE_CHECKING
from warnings import warn

from ampubsub.machine.account import Account
from ampubsub.machine.errors import HandlerTimeoutError, SlowHandlerWarning
from ampubsub.machine.handlers import ANY_STATE, END, STATE, Handlers
from ampubsub.machine.mutation import Args, Mutation
from ampubsub.machine.negotiation import Negotiation
from ampubsub.machine.relations import mask_of
from ampubsub.machine.resolution import Resolution
from ampubsub.machine.result import MutationKind
from ampubsub.machine.schema import EXCEPTION
from ampubsub.machine.transition import Call, Event, Panic, Role, Transition

if TYPE_CHECKING:
    from ampubsub.machine.walk import Walk

_ROLE_ENDS = -1
"""Number of the call that stands for the end of a role."""


def negotiate(
    walk: Walk, transition: Transition, resolution: Resolution, account: Account | None
) -> tuple[bool, int]:
    """Ask all who may refuse, and do no more; whether they agree, and the mask of Auto states that were refused."""
    negotiation = Negotiation(walk.rules, resolution)
    calls = _asks(walk, resolution, account)
    refused = carry_out(walk, transition, resolution, account, calls, negotiation, False)
    agreed = refused is None and not negotiation.in_vain and not transition.completed
    return agreed, negotiation.refused


def _asks(walk: Walk, resolution: Resolution, account: Account | None) -> Sequence[Call]:
    if account is None or walk.handlers is None or walk.options.log_level < 5:
        return resolution.asks
    return _listed(walk, Negotiation(walk.rules, resolution).after(None, walk.handlers), False)


def carry_out(
    walk: Walk,
    transition: Transition,
    resolution: Resolution,
    account: Account | None = None,
    calls: Sequence[Call] | None = None,
    negotiation: Negotiation | None = None,
    settles: bool = True,
    resolved_in: int = -1,
) -> Call | None:
    """Ask, let clocks tick, call final handlers. The handler that refused or failed, if one did: the rest did not happen.

    `calls` are those to ask, if others have listed them; `settles` is whether anything comes after that. `resolved_in` is the
    walk's generation when it was resolved, if that is not now.
    """
    if calls is None:
        calls = resolution.asks if account is None else _asks(walk, resolution, account)
    machine, options, ran = walk.machine, walk.options, transition.handlers
    timeout = options.handler_timeout_s
    closely = account is not None or timeout is not None
    raised = False
    new_event = object.__new__
    generation = walk.generation
    if resolved_in < 0:
        resolved_in = generation
    began = started = monotonic()
    while True:
        for call in calls:
            if closely and not _is_due(walk, transition, call, account):
                continue
            transition.latest = call
            ran.append(call.shown)
            try:
                if closely and transition.completed:  # one that raised was an Auto state's: nobody else runs
                    answer = False
                else:
                    event = new_event(Event)  # without a Python call for each
                    event.name, event.machine, event.transition = call.name, machine, transition
                    answer = call.function(event)
            except BaseException as error:
                raised = closely = True
                answer = None
                _raised(walk, transition, resolution, call, error, account)
            if (answer is not False or not call.may_refuse) and walk.generation == generation and not closely:
                continue
            others = calls[calls.index(call) + 1 :]
            too_slow = False
            if timeout is not None:
                now = monotonic()
                too_slow = now - started > timeout
                if too_slow:
                    _took_too_long(walk, transition, call, now - started)
                started = now
            if account is not None:
                if not raised and transition.completed:
                    account.invalid(call)
                elif not raised and not too_slow:
                    account.returned(call)
                account.ends(call)
            if raised or too_slow or (answer is False and call.may_refuse):
                ran[-1] += "!"
                if raised:
                    _skip(walk, transition, resolution, others, call, account)
                if call.role.kind < END and account is not None:
                    account.refused(call.role, call.name)
                if negotiation is None or not negotiation.goes_on_without(call.role):
                    if monotonic() - began > options.slow_handler_s and not too_slow:
                        _warn_of_slowness(walk, transition, monotonic() - began)
                    if call.role.kind in (END, STATE):
                        take_out(walk, transition, resolution, account)
                    return call
                transition.left_in = tuple(negotiation.target)
                raised = False
                calls = _rest(walk, resolution, call, (), negotiation)
                break
            if walk.disposing:
                return None if call.role.kind == ANY_STATE and not others else call
            if walk.generation != generation:
                calls = _rest(walk, resolution, call, others, negotiation)
                generation, closely = walk.generation, True
                break
        else:
            if not settles:
                if ran and monotonic() - began > options.slow_handler_s:
                    _warn_of_slowness(walk, transition, monotonic() - began)
                return None
            settles = False
            if not walk.disposing:
                clock = walk.clock
                for state, more in resolution.ticks:
                    clock[state] += more
                walk.order, walk.active = resolution.target, resolution.reached
                transition.ticked = True
                if account is not None:
                    account.settled_by(resolution, walk.rules.multi)
            transition.settled = True
            calls = resolution.finals
            waits = machine._subscriptions
            awaited = waits is not None and waits.args and waits.awaits(resolution.enters, transition.args)
            if awaited or walk.generation != resolved_in or options.log_level >= 5:
                calls = _listed(walk, _final_roles(resolution), bool(awaited))
                closely = True


def _is_due(walk: Walk, transition: Transition, call: Call, account: Account | None) -> bool:
    """Whether a listed call is a handler's; onlookers are told that it starts."""
    if call.is_bound:
        if account is not None:
            account.starts(call)
        return True
    if call.number == _ROLE_ENDS:
        entered(walk, call.role.end, transition.args)
    elif account is not None:
        account.tries(call)
    return False


def entered(walk: Walk, state: int, args: Args) -> None:
    """The final handlers of a state have run: tell who waits for these arguments."""
    waits = walk.machine._subscriptions
    if waits is not None and waits.args:
        try:
            walk.tell(waits.entered_with(state, args))
        except BaseException as error:  # arguments that cannot be compared
            walk.failed(error)


# -- what is left to call ----------------------------------------------------------------------------


def _final_roles(resolution: Resolution) -> list[Role]:
    return Handlers.finished(resolution.exits, resolution.enters)


def _rest(
    walk: Walk, resolution: Resolution, call: Call, others: Sequence[Call], negotiation: Negotiation | None
) -> list[Call]:
    """What is left to call after one handler, now that something changed: first `others` of its role."""
    role, handlers = call.role, walk.handlers
    assert handlers is not None
    same = [other for other in others if other.role == role and other.number != _ROLE_ENDS]
    if role.kind < END:
        asked = negotiation or Negotiation(walk.rules, resolution)
        return same + _listed(walk, asked.after(role, handlers), False)
    roles = _final_roles(resolution)
    waits = walk.machine._subscriptions
    closely = waits is not None and bool(waits.args)
    if closely and role.kind == STATE:
        same.append(_role_end(role))
    return same + _listed(walk, roles[roles.index(role) + 1 :], closely)


def _listed(walk: Walk, roles: Iterable[Role], ends: bool) -> list[Call]:
    """The handlers of these roles; at the highest log level also those that are not there.

    `ends` adds, after each state's, a call that tells who waits for arguments.
    """
    handlers = walk.handlers
    calls: list[Call] = []
    for role in roles:
        if handlers is not None:
            calls += handlers.trying(role) if walk.options.log_level >= 5 else handlers.playing(role)
        if ends and role.kind == STATE:
            calls.append(_role_end(role))
    return calls


def _role_end(role: Role) -> Call:
    return Call(role, "", None, _ROLE_ENDS, "")


# -- what goes wrong ---------------------------------------------------------------------------------


def _raised(
    walk: Walk,
    transition: Transition,
    resolution: Resolution,
    call: Call,
    error: BaseException,
    account: Account | None,
) -> None:
    """A handler raised: undo what is not settled, and let Exception run next."""
    becomes_state = walk.options.panic_to_exception or not isinstance(error, Exception)
    if not (walk.options.panic_to_exception and isinstance(error, Exception)):
        walk.failed(error)
    if walk.disposing:
        return
    transition.error = error
    if EXCEPTION in transition.called:
        return
    walk.log.line(3, "[recover] handling panic...")
    if becomes_state:
        walk.error = error
        if call.role.kind >= END:
            take_out(walk, transition, resolution, account)
    walk.log.line(3, f"[cancel] ({' '.join(transition.target)}) by recover")
    transition.accepted = False
    transition.completed = True
    if becomes_state:
        trace = trace_of(error) if walk.options.log_stack_traces else ""
        args = {"_am_err": error, "_am_errTrace": trace, "_am_panic": Panic(transition)}
        walk.prepend(Mutation(MutationKind.ADD, (EXCEPTION,), args))


def _skip(
    walk: Walk,
    transition: Transition,
    resolution: Resolution,
    calls: Sequence[Call],
    failed: Call,
    account: Account | None,
) -> None:
    """After a handler that raised: of other bindings' handlers of that name, a final one's turn is still noted."""
    if failed.may_refuse:
        return
    for call in calls:
        if call.role != failed.role:
            break
        if not _is_due(walk, transition, call, account):
            continue
        transition.latest = call
        transition.handlers.append(call.shown + "!")
        if transition.completed:
            if account is not None:
                account.invalid(call)
        else:
            try:
                call.function(Event(call.name, walk.machine, transition))
            except BaseException as error:
                _raised(walk, transition, resolution, call, error, account)
            else:
                if account is not None:
                    account.returned(call)
        if account is not None:
            account.ends(call)


def take_out(walk: Walk, transition: Transition, resolution: Resolution, account: Account | None) -> None:
    """Take the states whose final handlers have not run out again; what comes before stays.

    As in Go, called Multi states that stay tick once more, and an exception while states are left lets those that were entered
    stay; an interruption does not.
    """
    if walk.disposing:
        return
    latest, before, clock = transition.latest, walk.order, walk.clock
    order = list(before)
    interrupted = transition.error is not None and not isinstance(transition.error, Exception)
    if latest is not None and (latest.role.kind == STATE or (latest.role.kind == END and interrupted)):
        first = resolution.enters.index(latest.role.end) if latest.role.kind == STATE else 0
        gone = mask_of(resolution.enters[first:])
        order = [state for state in order if not gone >> state & 1]
    names = resolution.names
    walk.log.line(3, f"[recover] partial final states as ({' '.join(names[state] for state in order)})")
    stays = mask_of(order)
    again = walk.rules.multi & mask_of(resolution.called) & stays
    for state in before:
        if not stays >> state & 1:
            clock[state] += 1
        elif again >> state & 1:
            clock[state] += 2
    walk.order, walk.active = tuple(order), stays
    if account is not None:
        account.settled(order, before, again, names)


def _warn_of_slowness(walk: Walk, transition: Transition, seconds: float) -> None:
    """Handlers took long; the machine, and whatever runs in the same thread, stood still meanwhile."""
    names = ", ".join(transition.handlers)
    text = f"{names} of {walk.machine.id} took {seconds:.1f} s: the machine stood still"
    walk.log.line(2, f"[slow] {text}")
    try:
        warn(f"{text}; make it an async handler", SlowHandlerWarning, stacklevel=2)
    except Warning as error:
        walk.failed(error)


def _took_too_long(walk: Walk, transition: Transition, call: Call, seconds: float) -> None:
    """A handler ran past the time limit, which counts as a refusal."""
    options, machine = walk.options, walk.machine
    walk.log.line(3, f"[cancel] ({' '.join(transition.target)}) by timeout")
    walk.log.line(4, f"[handler:timeout]: {call.name} from {call.binding}")
    if seconds > options.handler_deadline_s:
        walk.queue.clear()
        machine.add_err(
            HandlerTimeoutError(f"handler timeout: {call.name} from {call.binding}"),
            event=Event(call.name, machine, transition),
        )
        walk.backoff_until = monotonic() + options.handler_backoff_s


def trace_of(error: BaseException) -> str:
    """The stack trace of an error, as text."""
    import traceback

    return "".join(traceback.format_exception(error)).rstrip()
