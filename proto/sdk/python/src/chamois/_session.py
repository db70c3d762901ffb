"""Numbers under which calls are repeated, so that nothing is done twice: the rules of crates/rpc/src/client/exactly_once.rs."""

from __future__ import annotations

import secrets
import threading
import time

from chamois import _names, errors
from chamois.errors import Error

import grpc

ATTEMPT_S = 3.0
"""How long one member may take for an attempt before the next is asked; doubled each time that passes."""
PAUSE_S = 0.05
"""Pause before an attempt after one that failed."""
SESSION_AT_MOST_S = 20 * 60
"""A session that old is left for a new one: the cluster forgets one an hour after its last request."""
SPAN_MAX = 512
"""Requests of one session from the oldest that is not done to the newest: the cluster keeps 1,024 outcomes of each."""
TIMEOUT_S = 30.0
TIMEOUT_LONG_S = 300.0

_REPEATED = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
)
# What the replicated state may have answered: what a member refuses by itself says nothing of earlier attempts.
_OUTCOMES = (
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.OUT_OF_RANGE,
)


class Session:
    """One client id and the numbers in use; shared by all threads and tasks of a client."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open()

    def _open(self) -> None:
        self._id = secrets.token_hex(16)
        # The longer of two clocks' opinions counts: one stands still while the host sleeps, the other is set by hand.
        self._opened = (time.monotonic(), time.time())
        self._next = 1
        self._undone: set[int] = set()

    def take(self) -> Ticket:
        """The place of a call; done when `Ticket.done` is called."""
        with self._lock:
            oldest = min(self._undone, default=self._next)
            if _age(self._opened) > SESSION_AT_MOST_S or self._next - oldest >= SPAN_MAX:
                self._open()  # calls in progress go on in the old one, which their tickets name
            seq = self._next
            self._next += 1
            self._undone.add(seq)
            return Ticket(self, self._id, seq, min(self._undone), self._opened)

    def _done(self, client_id: str, seq: int) -> None:
        with self._lock:
            if client_id == self._id:
                self._undone.discard(seq)


class Ticket:
    """One call's place in its session, the same for all its attempts."""

    def __init__(self, session: Session, client_id: str, seq: int, ack_below: int, opened: tuple[float, float]) -> None:
        self._session = session
        self._id = client_id
        self._seq = seq
        self._ack_below = ack_below
        self._opened = opened

    def metadata(self) -> list[tuple[str, str]]:
        return [
            (_names.CLIENT_ID, self._id),
            (_names.SEQ, str(self._seq)),
            (_names.ACK_BELOW, str(self._ack_below)),
            (_names.SESSION_AGE_MS, str(int(_age(self._opened) * 1000))),
        ]

    def done(self) -> None:
        self._session._done(self._id, self._seq)


class Attempts:
    """Decides after each failed attempt whether there is another one."""

    def __init__(self, path: str, timeout: float | None, endpoints: int) -> None:
        self._long = _names.rule_of(path).takes_long
        if timeout is None:
            timeout = TIMEOUT_LONG_S if self._long else TIMEOUT_S
        self._deadline = time.monotonic() + timeout
        self._path = path
        self._attempt = ATTEMPT_S
        self._endpoints = endpoints
        self._unreached: list[str] = []
        self._unknown = False

    def timeout(self) -> float:
        """Seconds that the next attempt may take."""
        left = max(self._deadline - time.monotonic(), 0.001)
        return left if self._long else min(left, self._attempt)

    def after(self, error: Error) -> float:
        """The pause before the next attempt, seconds.

        Raises the error of the whole call if there is none.
        """
        if isinstance(error, errors.Unreachable):
            self._unreached.append(f"{error.endpoint}: {error.details()}")
            # Each endpoint once, and one more: the connection in use may have died since the last call.
            if len(self._unreached) <= self._endpoints and self._has_time(0):
                return 0
            error = unreachable(self._path, self._unreached)
        self._unreached = []
        is_open = error.outcome_unknown or error.retry_after is not None
        if not (self._unknown or is_open):
            raise error
        if error.code() not in _REPEATED:
            # A refusal that did not look at what an attempt before has done is no outcome.
            raise self._lost(error) if self._unknown and error.code() not in _OUTCOMES else error
        self._unknown |= error.outcome_unknown
        if isinstance(error, errors.DeadlineExceeded):
            self._attempt *= 2
        if not self._has_time(PAUSE_S):
            if self._unknown and not isinstance(error, errors.DeadlineExceeded):
                raise self._lost(error)
            raise error
        return PAUSE_S

    def _has_time(self, pause: float) -> bool:
        return time.monotonic() + pause < self._deadline

    def _lost(self, last: Error) -> Error:
        lost = errors.OutcomeUnknown(
            grpc.StatusCode.UNAVAILABLE,
            f"an attempt may have been made, and what became of it is not known; at last: {last.details()}",
            path=self._path,
            endpoint=last.endpoint,
        )
        lost.outcome_unknown = True
        lost.__cause__ = last
        return lost


def unreachable(path: str, problems: list[str]) -> Error:
    """No member answers; `problems` say why, in the order of the attempts."""
    told = "; ".join(dict.fromkeys(problems))
    return errors.Unreachable(grpc.StatusCode.UNAVAILABLE, f"no member can be reached: {told}", path=path)


def leaves(error: Error) -> bool:
    """Whether the next call should ask another member."""
    return error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


def _age(opened: tuple[float, float]) -> float:
    return max(time.monotonic() - opened[0], time.time() - opened[1], 0.0)
