"""REST under /api/v1, for graders and programs: thin, typed, errors as problems."""
