"""Questions about something other than a state: the room that brings a kind of thing says here what answers for it.

`fp.local_entropy(found)` is asked where states are asked; the function there looks here first, and knows nothing of finite systems.
"""

from collections.abc import Callable
from typing import Any

_ANSWERS: dict[tuple[str, type], Callable[..., Any]] = {}


def register(kind: type, **answers: Callable[..., Any]) -> None:
    """For things of this kind each question, a public name, is answered by the function given."""
    _ANSWERS.update(((question, kind), answer) for question, answer in answers.items())


def answer_for(question: str, subject: object) -> Callable[..., Any] | None:
    """What answers `question` for `subject`, None where it is none of the registered kinds."""
    return _ANSWERS.get((question, type(subject)))
