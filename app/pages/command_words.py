"""Commands as people type them into the page: lines of the one language (app.language)."""

from app.language import command_of_fields, command_of_words, next_slot, operations, usage, words_of_command

__all__ = ["command_of_fields", "command_of_words", "next_slot", "operations", "usage", "words_of_command"]
