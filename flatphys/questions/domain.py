"""Where: a pattern of models; a question has an answer where one of its patterns fits."""

import dataclasses
from dataclasses import dataclass


@dataclass(frozen=True)
class Where:
    """Models of some kinds of data and learners whose fields have certain values.

    Attributes
    ----------
    data, learner : tuple of classes
    fields : tuple of (name, allowed values)
        Of the data or the learner; an object is given by its class.
    """

    data: tuple
    learner: tuple
    fields: tuple = ()

    def fits_pair(self, data: type, learner: type) -> bool:
        """Whether some model of these classes fits."""
        names = {field.name for kind in (data, learner) for field in dataclasses.fields(kind)}
        return data in self.data and learner in self.learner and all(name in names for name, _ in self.fields)

    def fits(self, model) -> bool:
        """Whether this model does."""
        if not self.fits_pair(type(model.data), type(model.learner)):
            return False
        values = vars(model.data) | vars(model.learner)
        return all(values[name] in allowed or type(values[name]) in allowed for name, allowed in self.fields)

    @property
    def conditions(self) -> str:
        """What the fields must be, as a text; "" where anything will do."""
        return ", ".join(f"{name} {' or '.join(map(_text, allowed))}" for name, allowed in self.fields)


def _text(value) -> str:
    return value.__name__ if isinstance(value, type) else f"{value:g}" if isinstance(value, float) else str(value)


def where(data, learner, **fields) -> Where:
    """A pattern; a single class or value may stand for a tuple of one."""
    return Where(_many(data), _many(learner), tuple((name, _many(value)) for name, value in fields.items()))


def _many(value) -> tuple:
    return value if isinstance(value, tuple) else (value,)
