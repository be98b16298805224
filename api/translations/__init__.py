"""What people read, in their language: English is the message key, `zh.po` holds the Chinese.

Python marks a message with `msgid("…")` where it stands in a table and translates it at the edge with a `Translator`;
templates call the same object as `_("…")`. A translation is plain text, never markup.
"""

import gettext
import io
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import get_args

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
    with (FOLDER / f"{language}.po").open("rb") as file:
        catalogue = read_po(file, locale=language)
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return Translator(language, gettext.GNUTranslations(compiled))


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
