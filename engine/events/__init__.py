"""What can happen in the machine: frozen records, one class an event, named by Linux's or glibc's own tracepoint.

The first word of a class's docstring is the event's name (`kmem:mm_page_alloc`); where Linux and glibc have no tracepoint,
our own name begins with `sim:`. An event states a fact in numbers; the words that tell it to a learner live with the page.
"""

from typing import TypeAlias

Event: TypeAlias = tuple[object, ...]
"""Every event is a NamedTuple: frozen, and as cheap to make as a tuple."""


def event_name(event: Event) -> str:
    """The tracepoint's name, such as "kmem:mm_page_alloc"."""
    return (type(event).__doc__ or "").split(maxsplit=1)[0]
