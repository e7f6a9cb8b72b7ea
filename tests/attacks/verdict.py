"""What an attack may do to the healthy stream and the process, and the table of what it did."""

from dataclasses import dataclass, field
from enum import Enum

# The least pictures of 60, the latest segment in seconds, and the log lines in a second that are
# too many.
LEAST_PICTURES = 50
LATEST = 1.0
TOO_MANY_LOG_LINES = 20
# Descriptors and threads that may be more than before: the viewer polls, segments are made.
SLACK = 3


class Form(Enum):
    """The long form judges by times too; the short one, in CI, by counts alone."""

    LONG = "long"
    SHORT = "short"


class Verdict(Enum):
    """What is judged of an attack beside what it says itself."""

    MEMORY = "memory"
    LOST = "lost segments"
    LOG = "log lines"
    BACK = "descriptors and threads"
    WHOLE = "the process"
    PICTURES = "pictures"
    DELAY = "delay"
    PLACES = "places"


# What a machine that does other things as well cannot say.
BY_TIME = {Verdict.PICTURES, Verdict.DELAY, Verdict.PLACES}


@dataclass
class Row:
    """What was seen of one run of one attack."""

    name: str
    knobs: str
    attempts: int
    is_alone: bool = False
    skipped: str = ""
    findings: list[str] = field(default_factory=list)
    is_running: bool = True
    rss_peak_mib: float = 0
    budget_mib: float = 0
    lost: int = 0
    fewest_pictures: float = 60
    worst_delay: float = 0
    log_lines: float = 0
    is_back: bool = True
    newcomers: tuple[int, int] = (0, 0)
    wants_places: bool = False
    left_behind: list[str] = field(default_factory=list)
    panics: int = 0
    counts: dict[str, int] = field(default_factory=dict)

    def faults(self, form: Form) -> list[str]:
        """Why it is not good; nothing where it is."""
        faults = list(self.findings)
        if self.is_alone:
            return faults
        if not self.is_running:
            return [*faults, "the server has ended"]
        accepted, asked = self.newcomers
        judged = [
            (
                Verdict.MEMORY,
                self.rss_peak_mib > self.budget_mib,
                f"RSS {self.rss_peak_mib:.0f} MiB of {self.budget_mib:.0f}",
            ),
            (Verdict.LOST, self.lost > 0, f"{self.lost} segments lost"),
            (
                Verdict.LOG,
                self.log_lines >= TOO_MANY_LOG_LINES,
                f"{self.log_lines:.1f} log lines a second",
            ),
            (Verdict.BACK, not self.is_back, "descriptors or threads are not back after 10 s"),
            (Verdict.WHOLE, self.panics > 0, f"{self.panics} panics"),
            (Verdict.WHOLE, bool(self.left_behind), f"left behind: {', '.join(self.left_behind)}"),
            (
                Verdict.PICTURES,
                self.fewest_pictures < LEAST_PICTURES,
                f"{self.fewest_pictures:.0f} pictures of 60 in a segment",
            ),
            (Verdict.DELAY, self.worst_delay > LATEST, f"a segment {self.worst_delay:.1f} s late"),
            (
                Verdict.PLACES,
                self.wants_places and 2 * accepted < asked,
                f"{accepted} of {asked} newcomers got in",
            ),
        ]
        left_out = BY_TIME if form is Form.SHORT else set()
        return faults + [
            words for verdict, is_fault, words in judged if is_fault and verdict not in left_out
        ]

    def line(self, form: Form) -> str:
        if self.skipped:
            return f"{self.name:22} not run: {self.skipped}"
        verdict = "; ".join(self.faults(form)) or "good"
        if self.is_alone:
            return f"{self.name:22} {self.attempts:>8} {'(servers of its own)':>66}  {verdict}"
        accepted, asked = self.newcomers
        columns = [
            f"{self.name:22} {self.attempts:>8} {self.rss_peak_mib:>6.0f}/{self.budget_mib:<6.0f}",
            f"{self.worst_delay:>6.2f} s {self.lost:>5}",
            f"{self.fewest_pictures:>8.0f} {self.log_lines:>7.1f}",
            f"{'yes' if self.is_back else 'NO':>5} {accepted:>5}/{asked:<4}  {verdict}",
        ]
        return " ".join(columns)


HEADING = (
    f"{'attack':22} {'attempts':>8} {'RSS/budget':>13} {'delay':>8} {'lost':>5} {'pictures':>8}"
    f" {'log/s':>7} {'back':>5} {'newcomers':>10}  verdict"
)


def table(rows: list[Row], form: Form) -> str:
    """A page for people: the worst of all runs of each attack."""
    lines = [
        "| Attack | Attempts | RSS peak, MiB | Worst delay, s | Segments lost "
        "| Fewest pictures of 60 | Log lines/s | Verdict |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in dict.fromkeys(row.name for row in rows):
        runs = [row for row in rows if row.name == name]
        bad = sum(bool(row.faults(form)) for row in runs if not row.skipped)
        verdict = f"bad in {bad} of {len(runs)} runs" if bad else "good"
        if runs[0].skipped:
            verdict = f"not run: {runs[0].skipped}"
        measured = ["", "", "", "", ""]
        if not runs[0].is_alone:
            measured = [
                f"{max(row.rss_peak_mib for row in runs):.0f}",
                f"{max(row.worst_delay for row in runs):.1f}",
                f"{max(row.lost for row in runs)}",
                f"{min(row.fewest_pictures for row in runs):.0f}",
                f"{max(row.log_lines for row in runs):.1f}",
            ]
        cells = [f"`{name}`", str(sum(row.attempts for row in runs)), *measured, verdict]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
