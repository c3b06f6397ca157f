"""A page as a browser with its script keeps it: it says which parts it shows, and puts those that come in their places."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi.testclient import TestClient
    from httpx2 import Response

_PLACES: Final = re.compile(
    r'<div class="part" id="part-(\w+)" data-shows="(\w+)">(.*?)(?=<div class="part"|\Z)', re.DOTALL
)
_FRAGMENT: Final = re.compile(r'<hx-partial hx-target="#part-(\w+)" hx-swap="outerMorph">(.*?)</hx-partial>', re.DOTALL)
_HEAD: Final = re.compile(r'<div class="part" id="part-(\w+)" data-shows="(\w+)">')


class ShownPage:
    """One open page of one machine."""

    def __init__(self, client: TestClient, path: str) -> None:
        self.client = client
        self.path = path
        self.parts = digests_of(client.get(path).text)
        self.weights: list[int] = []
        """Bytes of each answer so far."""

    def get(self, link: str) -> Response:
        """Follows a link of the page."""
        return self._take(self.client.get(self.path.partition("?")[0] + link, headers=self._headers()))

    def post(self, act: str, values: Mapping[str, str], pid: int = 0) -> Response:
        """Sends a form of the page."""
        path = f"{self.path.partition('?')[0]}/{act}?pid={pid}"
        return self._take(self.client.post(path, data=dict(values), headers=self._headers(), follow_redirects=False))

    def _headers(self) -> dict[str, str]:
        shows = ",".join(f"{name}={digest}" for name, digest in self.parts.items())
        return {
            "HX-Request-Type": "partial",
            "HX-Current-URL": f"http://testserver{self.path}",
            "Pagewalk-Shows": shows,
        }

    def _take(self, answer: Response) -> Response:
        assert answer.status_code in (200, 422), answer.text
        self.weights.append(len(answer.content))
        came = digests_of(answer.text)
        assert set(came) <= set(self.parts), "a part has no place on the page"
        assert all(self.parts[name] != digest for name, digest in came.items()), "a part came that was there"
        self.parts.update(came)
        pushed = answer.headers["HX-Push-Url"]
        if pushed != "false":
            self.path = pushed
        return answer


def digests_of(text: str) -> dict[str, str]:
    """The digest of each part in a page or in an answer."""
    return {found[1]: found[2] for found in _HEAD.finditer(text)}
