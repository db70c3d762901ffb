"""Lists page by page."""

from __future__ import annotations

from collections.abc import Awaitable, AsyncIterator, Callable, Iterable, Iterator
from typing import Any, TypeVar

Res = TypeVar("Res")
T = TypeVar("T")

PAGE_SIZE = 1000


def pages(method: Callable[..., Res], request: Any, **named: Any) -> Iterator[Res]:
    """The answers of a `List…` method, page by page, of `PAGE_SIZE` unless the request says how many; `named` goes into
    each call. What stays in the list is in them once; what comes or goes meanwhile is or is not.
    """
    asked = _first(request)
    while True:
        page = method(asked, **named)
        yield page
        if not _next(asked, page):
            return


def items(method: Callable[..., Res], request: Any, of: Callable[[Res], Iterable[T]], **named: Any) -> Iterator[T]:
    """The objects of all pages: `items(stub.ListGroups, ListGroupsRequest(), lambda page: page.groups)`."""
    for page in pages(method, request, **named):
        yield from of(page)


async def apages(method: Callable[..., Awaitable[Res]], request: Any, **named: Any) -> AsyncIterator[Res]:
    """As `pages`, of the stub of an asyncio client."""
    asked = _first(request)
    while True:
        page = await method(asked, **named)
        yield page
        if not _next(asked, page):
            return


async def aitems(
    method: Callable[..., Awaitable[Res]], request: Any, of: Callable[[Res], Iterable[T]], **named: Any
) -> AsyncIterator[T]:
    """As `items`, of the stub of an asyncio client."""
    async for page in apages(method, request, **named):
        for item in of(page):
            yield item


def _first(request: Any) -> Any:
    asked = type(request)()
    asked.CopyFrom(request)
    if "page_token" not in asked.DESCRIPTOR.fields_by_name:
        raise ValueError(f"{asked.DESCRIPTOR.full_name} has no pages; call the method")
    asked.page_size = asked.page_size or PAGE_SIZE
    return asked


def _next(asked: Any, page: Any) -> bool:
    asked.page_token = page.next_page_token
    return bool(asked.page_token)
