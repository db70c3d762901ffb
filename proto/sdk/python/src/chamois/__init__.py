"""Chamois from Python: `chamois.Client` (threads) and `chamois.aio.Client` (asyncio) are channels that the stubs of
`chamois.<service>.v1` take. README.md has the ten lines to begin with."""

from chamois._config import from_env
from chamois._names import LOCAL, VALIDATE_ONLY
from chamois.client import Client, would_change
from chamois.errors import ConfigError, Error, FieldViolation
from chamois.follow import Begins, Events, Follow, Progress, Rows, StateEnds, Told
from chamois.pages import items, pages

__all__ = [
    "LOCAL",
    "VALIDATE_ONLY",
    "Begins",
    "Client",
    "ConfigError",
    "Error",
    "Events",
    "FieldViolation",
    "Follow",
    "Progress",
    "Rows",
    "StateEnds",
    "Told",
    "from_env",
    "items",
    "pages",
    "would_change",
]
