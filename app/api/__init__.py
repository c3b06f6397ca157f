"""REST under /api/v1, for graders and programs: thin, typed, errors as problems."""

from typing import Final

API_PREFIX: Final = "/api/v1"
