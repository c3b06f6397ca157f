"""The words of the pages: one catalogue a language, in app/content/words, and the language that a request is answered in.

`t("heap.summary", used="4 KB")` is the message of that key in the language spoken here; `html` is the same where code stands
in the sentence; `word` looks up the name of one of a table's things. Keys and tables are written out where they are used: a
test reads them there. docs/translating.md tells how a catalogue is written, and how to add a language.
"""

from app.words.catalogue import Catalogue, CatalogueError, catalogue, catalogues
from app.words.refusals import refusal
from app.words.spoken import ENGLISH, html, language, shown, speaking, t, word

__all__ = [
    "ENGLISH",
    "Catalogue",
    "CatalogueError",
    "catalogue",
    "catalogues",
    "html",
    "language",
    "refusal",
    "shown",
    "speaking",
    "t",
    "word",
]
