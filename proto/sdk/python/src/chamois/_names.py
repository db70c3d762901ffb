"""Names of metadata, as crates/rpc has them, and what the descriptors say of a method."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Union

from google.protobuf import descriptor_pool

from chamois.http.v1 import http_pb2

Metadata = Iterable[tuple[str, Union[str, bytes]]]

CLIENT_ID = "chamois-client-id"
SEQ = "chamois-seq"
ACK_BELOW = "chamois-ack-below"
SESSION_AGE_MS = "chamois-session-age-ms"
OUTCOME = "chamois-outcome"
RETRY_AFTER_S = "retry-after-s"
REVISION = "revision"
OLDEST_REVISION = "chamois-oldest-revision"
ETAG = "chamois-etag"
HTTP_STATUS = "http-status"
WOULD_CHANGE = "chamois-would-change-bin"
STATUS_DETAILS = "grpc-status-details-bin"

LOCAL = ("chamois-consistency", "local")
"""Metadata of a read: answered at once from what the asked member has, also without a majority."""
VALIDATE_ONLY = ("chamois-validate-only", "true")
"""Metadata of a write: tried out, and nothing is changed. `chamois.would_change` reads what it would have changed."""


@cache
def rule_of(path: str) -> http_pb2.MethodRule:
    """What the proto says of the method `/package.Service/Method`; an empty rule for one that this package does not know.

    The file of a method is known as soon as its stub was imported.
    """
    try:
        method = descriptor_pool.Default().FindMethodByName(path.strip("/").replace("/", "."))
    except KeyError:
        return http_pb2.MethodRule()
    return method.GetOptions().Extensions[http_pb2.method]


def only_reads(path: str) -> bool:
    """Whether a repeat of the method can change nothing."""
    return rule_of(path).consistency != http_pb2.CONSISTENCY_UNSPECIFIED


def text_of(metadata: Metadata | None, key: str) -> str | None:
    """The first value of `key`."""
    value = next((value for name, value in metadata or () if name == key), None)
    return value.decode("latin-1") if isinstance(value, bytes) else value
