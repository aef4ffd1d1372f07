"""Question: what can be asked of a model, a load or a state, what it needs, and how an answer becomes named numbers.

Whatever an answer raises or warns of becomes the status of a point of a sweep (`sweeps.point`).  An option that is a `vector` is an array
that the question takes whole, the innermost dimension of the result.  Nothing heavy is imported here: the command line is made from it.
"""

import difflib
from dataclasses import dataclass, field, replace

import flatphys as fp
from flatphys import validate
from flatphys.errors import InvalidInput
from flatphys.questions.answer import Answer, answer_in
from flatphys.state import State


@dataclass(frozen=True)
class Option:
    """An option of a question.

    Attributes
    ----------
    name : str
    check : function of (name, value)
        Returns the value in its plain form or raises `InvalidInput`; of a vector every element goes through it.
    help, metavar : str
        For the command line.
    flag : str
        Its name there, where a field of the model is called so already.
    kind : "number", "text" or "switch"
        How the command line reads it.
    vector : bool
        Whether the question takes a whole array.
    """

    name: str
    check: object
    help: str = ""
    metavar: str = "X"
    flag: str = ""
    kind: str = "number"
    vector: bool = False

    @property
    def spelled(self) -> str:
        """The option of the command line."""
        return "--" + (self.flag or self.name.replace("_", "-"))

    def checked(self, value):
        """The value in its plain form; raises `InvalidInput`."""
        if not self.vector:
            return self.check(self.name, value)
        return tuple(self.check(self.name, x) for x in value)


@dataclass(frozen=True)
class Question:
    """One thing to ask, by the name of its public function.

    Attributes
    ----------
    name, summary : str
    subject : "state", "load" or "model"
        What the function takes first: a state (then `reference` says which one), a model and its load, or a model alone.
        None: a function of the user's own, asked as the sweep is.
    options : tuple of Option
    needs_vector : bool
        Whether exactly one of the vector options must be given.
    columns : tuple of str
        Attributes of the function's result that are the answer; by default the result is a number called as the question is.
    printed : tuple of str
        Columns of the command line's table.
    answers : tuple of Where
        Models for which there is an answer; for others the function raises `InvalidInput`, or what `otherwise` says.
    otherwise : tuple of (Where, name of an error)
    call : function or None
        Asks a function of another signature.
    read : function of (result, options) or None
        The `Answer` in a result, where it is none of those that `answer_in` knows.
    along : (str, int) or None
        A dimension that the answer brings, and its length.
    data, learner : str
        Defaults of the command line.
    command : bool
        Whether the command line has a command of its own for it; otherwise it is asked by `threshold`.
    aliases : dict
        Further names of `threshold`, each with the options that it stands for.
    example : dict
        Load and options with which every supported model of the tests has an answer.
    """

    name: str
    summary: str = ""
    subject: str | None = "state"
    options: tuple = ()
    needs_vector: bool = False
    columns: tuple = ()
    printed: tuple = ()
    answers: tuple = ()
    otherwise: tuple = ()
    call: object = None
    read: object = None
    along: tuple | None = None
    data: str = "random-labels"
    learner: str = "gibbs"
    command: bool = False
    aliases: dict = field(default_factory=dict)
    example: dict = field(default_factory=dict)
    own: bool = False
    version: str | None = None

    def __reduce__(self):  # flatphys' own questions travel by name
        return (own_question, (self.name, self.call, self.vectors, self.version)) if self.own else (_by_name, (self.name,))

    @property
    def loads(self) -> bool | None:
        """Whether it is asked at a load; None: as the caller likes."""
        return None if self.own else self.subject != "model"

    @property
    def vectors(self) -> tuple:
        """Names of the options taken whole."""
        return tuple(option.name for option in self.options if option.vector)

    @property
    def always(self) -> tuple:
        """Names that the answer has even where no point has a value."""
        return () if self.own else self.columns[:1] or (self.name,)

    def option(self, name: str) -> Option | None:
        """The option of that name."""
        return next((option for option in self.options if option.name == name), None)

    def check_names(self, given: dict, fields: list) -> None:
        """Refuse names that are neither a field (with its dot) nor an option of the question."""
        allowed = [option.name for option in self.options]
        for name in given:
            if "." in name or name in fields or name in allowed or self.own:
                continue
            dotted = [f for f in fields if f.rpartition(".")[2] == name]
            near = dotted or difflib.get_close_matches(name, [*allowed, *fields], 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            options = f"an option of {self.name} ({', '.join(allowed)})" if allowed else f"an option ({self.name} has none)"
            raise InvalidInput(f"{name!r} is neither {options} nor a field of the model ({', '.join(fields)}){hint}")
        self.check_vectors(given)

    def check_vectors(self, given) -> None:
        """Refuse two vector options at once, and none where one is needed."""
        chosen = [name for name in self.vectors if name in given]
        if len(chosen) > 1 or (self.needs_vector and not chosen):
            raise InvalidInput(f"{self.name} needs one of {' or '.join(self.vectors)}, got {' and '.join(chosen) or 'none'}")

    def checked(self, name: str, value):
        """The option's value in its plain form; raises `InvalidInput`."""
        option = self.option(name)
        return value if option is None else option.checked(value)

    def result(self, model, alpha=None, solve=None, **options):
        """What the public function returns; `solve` finds the state that the question is about."""
        if self.own:
            return self.call(model, **options) if alpha is None else self.call(model, alpha, **options)
        call = self.call or getattr(fp, self.name)
        if self.subject == "state":
            return call(reference_state(model, alpha, options.pop("reference", "state"), options.pop("ansatz", "RS"), solve), **options)
        return call(model, **options) if self.subject == "model" else call(model, alpha, **options)

    def ask(self, model, alpha=None, solve=None, **options) -> Answer:
        """The same as an `Answer`."""
        return answer_in(self.result(model, alpha, solve, **options), self, options)


def reference_state(model, alpha, reference="state", ansatz="RS", solve=None) -> State:
    """The dominant state, the teacher itself, or the state of the largest margin at this load."""
    if reference == "teacher":
        return fp.teacher_state(model, alpha)
    if reference == "max_margin":
        if not (isinstance(model.learner, fp.Gibbs) and model.learner.weights == "binary"):
            raise InvalidInput(
                f"reference='max_margin' is for binary weights of a Gibbs learner, got {model.learner!r}; trained rules have MaxMargin"
            )
        model = replace(model, learner=replace(model.learner, margin=fp.max_margin(model, alpha)))
    return (solve or fp.solve)(model, alpha, ansatz=ansatz)


# --- questions of the user's own -------------------------------------------------------------------------------------------
def own_question(name, function, vectors=(), version=None) -> Question:
    """The question that a user's function is: f(model, alpha, **options), or f(model, **options) in a sweep without loads."""
    options = tuple(Option(vector, validate.number, vector=True) for vector in vectors)
    return Question(name, subject=None, options=options, call=function, own=True, version=version)


def _by_name(name):
    from flatphys.questions.catalogue import QUESTIONS

    return QUESTIONS[name]
