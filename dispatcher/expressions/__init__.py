"""CEL, behind one door: what rules compute. Checked when they load, total when they are judged: an error is a value."""

from dispatcher.expressions.doubts import doubts
from dispatcher.expressions.judged import Agents, Failed, Metadata, Split, UnreadMetadata, When, reporting
from dispatcher.expressions.language import BadExpression, Expression, Language, Result
from dispatcher.expressions.missing import missing
from dispatcher.expressions.mistakes import Mistake
from dispatcher.expressions.objects import Unread
from dispatcher.expressions.outcome import Failure, FailureReason

__all__ = [
    "Agents",
    "BadExpression",
    "Expression",
    "Failed",
    "Failure",
    "FailureReason",
    "Language",
    "Metadata",
    "Mistake",
    "Result",
    "Split",
    "Unread",
    "UnreadMetadata",
    "When",
    "doubts",
    "missing",
    "reporting",
]
