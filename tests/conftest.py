"""What holds for every test: property tests try the same examples each time, and a test of the page is known as one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Iterable

settings.register_profile("pagewalk", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("pagewalk")


def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    """Marks what drives a browser, so that `./dev test` can leave it out where there is none."""
    for item in items:
        if isinstance(item, pytest.Function) and {"browser", "page"} & set(item.fixturenames):
            item.add_marker("browser")
