"""A page as its elements and its text, for tests that read what people read."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser

import httpx

SILENT = frozenset({"script", "style", "svg", "template", "noscript"})


class Page(HTMLParser):
    """`text` is what is visible, in one line; `elements` are all opening tags with their attributes."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__(convert_charrefs=True)
        self.status = response.status_code
        self.html = response.text
        self.location = response.headers.get("location", "")
        self.elements: list[tuple[str, dict[str, str]]] = []
        self._words: list[str] = []
        self._silent_in: list[str] = []
        self.feed(self.html)
        self.text = re.sub(r"\s+", " ", "".join(self._words)).strip()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag in SILENT:
            self._silent_in.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._silent_in and self._silent_in[-1] == tag:
            self._silent_in.pop()
        self._words.append(" ")

    def handle_data(self, data: str) -> None:
        if not self._silent_in:
            self._words.append(data)

    def all(self, tag: str, **attributes: str) -> Iterator[dict[str, str]]:
        for found, attrs in self.elements:
            if found == tag and all(attrs.get(name) == value for name, value in attributes.items()):
                yield attrs

    def actions(self) -> set[str]:
        """Where the page's forms lead that change something."""
        return {form["action"] for form in self.all("form", method="post")}

    def targets(self) -> set[str]:
        return {link["href"] for link in self.all("a") if "href" in link}
