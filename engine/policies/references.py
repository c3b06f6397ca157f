"""A reference string, numbered once so that every policy can look its pages up in a list."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class References:
    """Page numbers in the order of use. Raises ValueError for a page below 0."""

    __slots__ = ("_names", "ids", "limit", "pages")

    def __init__(self, pages: Sequence[int]) -> None:
        if pages and min(pages) < 0:
            raise ValueError(f"{min(pages)} is no page: it is below 0")
        self.pages = list(pages)
        self._names: list[int] | None = None
        most = max(pages, default=-1)
        if most < 4 * len(pages):
            self.ids, self.limit = self.pages, most + 1
            return
        self._names = sorted(set(pages))
        number = {page: at for at, page in enumerate(self._names)}
        self.ids = [number[page] for page in pages]
        """The pages by numbers below `limit`, small enough to index a list by, in the pages' own order."""
        self.limit = len(self._names)

    def __len__(self) -> int:
        return len(self.pages)

    def named(self, ids: list[int]) -> list[int]:
        """The pages that these numbers mean."""
        return ids if self._names is None else list(map(self._names.__getitem__, ids))
