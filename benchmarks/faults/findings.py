"""What a part of the programme did, and every rule that did not hold."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

_NUM_EXAMPLES = 5
_EXAMPLE_LENGTH = 600


@dataclass
class Findings:
    """Counts of what was done, and of the rules that were checked.

    Parameters
    ----------
    counts
        What was done, by name.
    checks, violations
        By rule: how often it was checked, and how often it did not hold.
    examples
        Some violations in words.
    skipped
        What could not be done here, and why.
    seconds
        Wall time.
    """

    counts: Counter[str] = field(default_factory=Counter)
    checks: Counter[str] = field(default_factory=Counter)
    violations: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def require(self, holds: bool, rule: str, where: object) -> None:
        """Note that a rule was checked, and whether it held."""
        self.checks[rule] += 1
        if not holds:
            self.violations[rule] += 1
            if len(self.examples) < _NUM_EXAMPLES:
                self.examples.append(f"{rule}: {where}"[:_EXAMPLE_LENGTH])

    def add(self, other: "Findings") -> None:
        """Take in what another process found meanwhile."""
        self.counts.update(other.counts)
        self.checks.update(other.checks)
        self.violations.update(other.violations)
        self.examples = [*self.examples, *other.examples][:_NUM_EXAMPLES]
        self.skipped = sorted({*self.skipped, *other.skipped})
        self.seconds = max(self.seconds, other.seconds)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of a part of the programme."""
        return {
            "counts": dict(sorted(self.counts.items())),
            "checks": dict(sorted(self.checks.items())),
            "violations": {rule: self.violations[rule] for rule in sorted(self.checks)},
            "examples": self.examples,
            "skipped": self.skipped,
            "seconds": round(self.seconds, 1),
        }

    @staticmethod
    def from_dict(values: dict[str, Any]) -> "Findings":
        """Read what `to_dict` gave."""
        return Findings(
            Counter(values["counts"]),
            Counter(values["checks"]),
            Counter(values["violations"]),
            values["examples"],
            values["skipped"],
            values["seconds"],
        )
