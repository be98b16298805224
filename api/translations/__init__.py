"""What people read, in their language: English is the message key, the files in `zh/` hold the Chinese, a file for each
area of the pages.

Python marks a message with `msgid("…")` where it stands in a table and translates it at the edge with a `Translator`;
templates call the same object as `_("…")`. A translation is plain text, never markup.
"""

import gettext
import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import get_args

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from api.settings import Language

LANGUAGES: tuple[Language, ...] = get_args(Language)
SOURCE_LANGUAGE: Language = "en"
FOLDER = Path(__file__).parent


def msgid(message: str) -> str:
    """Marks a message for extraction; the text itself is unchanged."""
    return message


@dataclass(frozen=True, slots=True)
class Translator:
    """Speaks one language. A message without a translation is told as it stands."""

    language: Language
    catalogue: gettext.NullTranslations

    def __call__(self, message: str, /, **values: object) -> str:
        """The message with `%(name)s` places filled; without values it is taken literally, percent signs included."""
        text = self.catalogue.gettext(message) if message else ""
        return text % values if values else text

    def plural(self, singular: str, plural: str, n: int, /, **values: object) -> str:
        """The form of the message that fits `n`, which is also the value `%(n)s`."""
        return self.catalogue.ngettext(singular, plural, n) % {"n": n, **values}


@cache
def translator(language: Language) -> Translator:
    """The translator of a language; its catalogue is read once."""
    if language == SOURCE_LANGUAGE:
        return Translator(language, gettext.NullTranslations())
    whole = Catalog(locale=language)
    for _, catalogue in catalogues(language):
        for message in catalogue:
            if message.id:
                whole[message.id] = message
    compiled = io.BytesIO()
    write_mo(compiled, whole)
    compiled.seek(0)
    return Translator(language, gettext.GNUTranslations(compiled))


def catalogues(language: Language) -> Iterator[tuple[Path, Catalog]]:
    """Each file of a language with what it holds; raises PoFileError for one that cannot be read."""
    for path in sorted((FOLDER / language).glob("*.po")):
        with path.open("rb") as file:
            yield path, read_po(file, locale=language, abort_invalid=True)


def as_language(value: str | None) -> Language | None:
    """The language of that name, if it is one of ours."""
    return next((language for language in LANGUAGES if language == value), None)


def preferred_language(accept_language: str) -> Language | None:
    """The first of our languages in an Accept-Language header, by its quality values."""
    wishes: list[tuple[float, int, Language]] = []
    for place, part in enumerate(accept_language.split(",")[:20]):
        tag, _, parameters = part.partition(";")
        language = as_language(tag.strip().lower().split("-")[0])
        if language is None:
            continue
        name, _, value = parameters.partition("=")
        quality = 1.0
        if name.strip() == "q":
            try:
                quality = float(value)
            except ValueError:
                quality = 0.0
        if quality > 0:
            wishes.append((-quality, place, language))
    return min(wishes)[2] if wishes else None
