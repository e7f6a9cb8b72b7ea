"""Runs the suite: each attack beside a healthy publisher and a viewer, and what came of it.

`cargo xtask attack` calls this; README.md beside it says what is judged.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import clips
import suite
from client import Knobs, Target
from server import launcher
from stage import Stage, Watch
from suite import Attack
from verdict import HEADING, SLACK, Form, Row, table
from viewer import RENDITION

HERE = Path(__file__).parent
# What the server may have: told to it where it can be told, and compared with where it cannot.
BUDGET_MIB = 1024
# Past so many times the budget an attack is ended, so that the machine lives.
RUNAWAY = 3
VARIATIONS = 3
SHORT_SECONDS = 3.0
# Descriptors and threads have so long to come back.
BACK_WITHIN = 10.0
# Behind an attack, so that the segment in which it ended is seen, too.
SETTLE = 5.0


class Runner:
    """What all runs have in common."""

    def __init__(self, binary: str, folder: Path, seed: str, form: Form) -> None:
        self.binary, self.folder, self.seed, self.form = binary, folder, seed, form
        self.failed: list[str] = []
        self.rows: list[Row] = []
        self.memory_options = memory_options(binary)
        cores = sorted(os.sched_getaffinity(0))
        self.server_core: int | None = None
        if form is Form.LONG and len(cores) > 1:
            # The server has one core, everybody else the other.
            self.server_core = cores[0]
            os.sched_setaffinity(0, {cores[1]})
            print(
                f"the server on core {cores[0]}, publisher, viewer and attacker on core {cores[1]}"
            )

    def stage(self, attack: Attack) -> Stage:
        options = [*attack.options, *self.memory_options]
        options += ["--publish-key", attack.key] if attack.key else []
        return Stage(
            self.binary,
            self.folder / "server",
            options,
            attack.key,
            self.server_core,
            attack.reads_log,
            attack.wants_tls,
        )

    def tell(self, row: Row) -> None:
        """The row on the terminal and in a file, and whether it is good."""
        self.rows.append(row)
        print(row.line(self.form), flush=True)
        faults = [] if row.skipped else row.faults(self.form)
        if faults:
            self.failed.append(f"{row.name} ({row.knobs}): {'; '.join(faults)}")
        with (self.folder / "rows.jsonl").open("a") as rows:
            rows.write(json.dumps({**asdict(row), "faults": faults}, default=str) + "\n")

    def against(self, stage: Stage, attack: Attack, knobs: Knobs, seconds: float) -> Row:
        """One run of one attack."""
        watch, begin = Watch(stage.server), time.time()
        row = Row(
            attack.name, told(knobs), 0, budget_mib=BUDGET_MIB, wants_places=attack.wants_places
        )
        stage.newcomers.begin()
        outcome = self.run(attack, knobs, seconds, stage, watch)
        row.newcomers = stage.newcomers.end()
        ended = time.monotonic()
        stage.server.read_log_again()
        row.is_back = watch.is_back(SLACK)
        while not row.is_back and time.monotonic() < ended + BACK_WITHIN:
            time.sleep(Watch.PERIOD)
            row.is_back = watch.is_back(SLACK)
        settle = SETTLE if self.form is Form.LONG else 0
        while time.monotonic() < ended + settle:
            watch.look()
            time.sleep(Watch.PERIOD)
        end = time.time()
        seen = stage.viewer.seen(RENDITION, begin, end)
        both = seen + stage.viewer.seen("source", begin, end)
        row.attempts, row.counts = outcome["counts"].get("attempts", 0), outcome["counts"]
        row.findings, row.skipped = outcome["findings"], outcome["skipped"]
        row.is_running = stage.server.is_running()
        row.rss_peak_mib = watch.rss_peak
        # What nobody read comes at once when somebody does.
        row.log_lines = watch.log_lines_a_second() if attack.reads_log else 0
        row.lost = stage.viewer.lost(begin, end)
        row.fewest_pictures = min((one.pictures_of_60 for one in seen), default=60)
        row.worst_delay = max((one.delay for one in both), default=0)
        row.panics = stage.server.panics()
        row.left_behind = [entry.name for entry in stage.server.home.iterdir()]
        row.left_behind += [f"process {child}" for child in watch.children]
        return row

    def alone(self, attack: Attack, knobs: Knobs, seconds: float) -> Row:
        """One run of an attack that has servers of its own."""
        outcome = self.run(attack, knobs, seconds)
        attempts, findings = outcome["counts"].get("attempts", 0), outcome["findings"]
        row = Row(attack.name, told(knobs), attempts, True, outcome["skipped"], findings)
        row.counts = outcome["counts"]
        return row

    def run(
        self,
        attack: Attack,
        knobs: Knobs,
        seconds: float,
        stage: Stage | None = None,
        watch: Watch | None = None,
    ) -> dict:
        """The attack in a process of its own, ended where it does not end by itself."""
        target = {
            "binary": self.binary,
            "scratch": str(self.folder),
            "seconds": seconds,
            "seed": f"{self.seed} {told(knobs)}",
            "key": attack.key,
            "options": self.memory_options,
        }
        if stage is not None:
            server = stage.server
            target |= {
                "rtmp": server.rtmp,
                "http": server.http,
                "https": server.https,
                "admin": server.admin,
                "process": server.process.pid,
            }
        order = {
            "name": attack.name,
            "knobs": knobs,
            "target": target,
            "clips": str(self.folder / "clips"),
        }
        command = [*launcher(None), "nice", "-n", "5", sys.executable, str(HERE / "attacker.py")]
        log_file, said_file = self.folder / "attacker.log", self.folder / "outcome.json"
        with log_file.open("wb") as log, said_file.open("wb") as said:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                # A pipe that nobody reads meanwhile would hold up who has much to say.
                stdout=said,
                stderr=log,
                start_new_session=True,
            )
        process.stdin.write(json.dumps(order).encode())
        process.stdin.close()
        # What an attack still does when its time is over is to wait for the server.
        patience = 120 if stage is None else seconds + 8
        end = time.monotonic() + patience
        while process.poll() is None and time.monotonic() < end:
            sample = watch.look() if watch else None
            if watch and (sample is None or sample.rss_mib > RUNAWAY * BUDGET_MIB):
                break
            time.sleep(Watch.PERIOD)
        return self._outcome(process)

    def _outcome(self, process: subprocess.Popen) -> dict:
        """What the attacker said, or that it did not."""
        had_ended = process.poll() is not None
        if not had_ended:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        said = (self.folder / "outcome.json").read_bytes()
        try:
            return json.loads(said)
        except ValueError:
            findings = []
            if had_ended:
                log = (self.folder / "attacker.log").read_text(errors="replace")
                findings.append(f"the attacker itself failed: {log.strip().splitlines()[-1:]}")
            return {"counts": {}, "findings": findings, "skipped": ""}


def told(knobs: Knobs) -> str:
    return " ".join(f"{name}={value}" for name, value in knobs.items())


def memory_options(binary: str) -> list[str]:
    """The budget as the server takes it, where it takes one."""
    help_text = subprocess.run([binary, "serve", "--help"], capture_output=True, text=True).stdout
    return ["--memory", f"{BUDGET_MIB}M"] if "--memory" in help_text else []


def long_form(runner: Runner, attacks: list[Attack]) -> None:
    """Each attack with its constants, and then with others."""
    print(HEADING)
    for attack in attacks:
        stage: Stage | None = None
        for variation in range(VARIATIONS + 1):
            chance = random.Random(f"{runner.seed} {attack.name} {variation}")
            knobs = attack.varied(chance) if variation else attack.constants()
            if attack.is_alone:
                row = runner.alone(attack, knobs, attack.seconds)
            else:
                try:
                    stage = stage or runner.stage(attack)
                except RuntimeError as error:
                    runner.tell(Row(attack.name, told(knobs), 0, True, findings=[str(error)]))
                    break
                row = runner.against(stage, attack, knobs, attack.seconds)
            runner.tell(row)
            print(f"    {row.knobs}   {told(row.counts)}", flush=True)
            if stage is not None and row.faults(runner.form):
                # The next one begins on a server that is well.
                stage.close()
                stage = None
            if row.skipped:
                break
        if stage is not None:
            stage.close()


def short_form(runner: Runner, attacks: list[Attack]) -> None:
    """A few seconds of each, by its constants, on as few servers as there are ways to start one."""
    print(HEADING)
    ways: dict[tuple, list[Attack]] = {}
    for attack in attacks:
        way = (attack.is_alone, attack.options, attack.key, attack.reads_log, attack.wants_tls)
        ways.setdefault(way, []).append(attack)
    for (is_alone, *_), group in ways.items():
        if is_alone:
            for attack in group:
                runner.tell(runner.alone(attack, attack.constants(), SHORT_SECONDS))
            continue
        with runner.stage(group[0]) as stage:
            begin = time.time()
            for attack in group:
                runner.tell(runner.against(stage, attack, attack.constants(), SHORT_SECONDS))
            lost = stage.viewer.lost(begin, time.time())
            if lost:
                runner.failed.append(f"{lost} segments of the healthy stream lost in all")


def list_attacks() -> None:
    for attack in suite.ATTACKS:
        covers = f" ({', '.join(attack.covers)})" if attack.covers else ""
        print(f"{attack.name:22} {(attack.run.__doc__ or '').strip()}{covers}")
        print(f"{'':22} in CI: {f'no: {attack.left_out}' if attack.left_out else 'yes'}")
    for number, what in suite.KNOWN.items():
        names = [attack.name for attack in suite.ATTACKS if number in attack.covers]
        print(f"{number:4} {what}: {', '.join(names)}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="cargo xtask attack", allow_abbrev=False)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--folder", required=True, type=Path)
    parser.add_argument("--seed", default=str(int(time.time())))
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    if missing := suite.uncovered():
        print(f"no attack is about {', '.join(missing)}")
        return 2
    if options.list:
        list_attacks()
        return 0
    known = {attack.name: attack for attack in suite.ATTACKS}
    if unknown := [name for name in options.names if name not in known]:
        print(f"there is no attack {', '.join(unknown)}; there are: {', '.join(known)}")
        return 2
    attacks = [known[name] for name in options.names] or suite.ATTACKS
    form = Form.SHORT if options.short else Form.LONG
    if options.short and not options.names:
        attacks = [attack for attack in attacks if not attack.left_out]
        print(
            f"{len(attacks)} attacks of {len(suite.ATTACKS)}: "
            "`cargo xtask attack --list` says why not the others"
        )
    folder = options.folder.resolve()
    (folder / "clips").mkdir(parents=True, exist_ok=True)
    (folder / "rows.jsonl").unlink(missing_ok=True)
    print(f"seed {options.seed}, budget {BUDGET_MIB} MiB")
    clips.folder = folder / "clips"
    for name in clips.RECIPES:
        clips.clip(name)
    runner = Runner(os.path.abspath(options.binary), folder, options.seed, form)
    try:
        (short_form if form is Form.SHORT else long_form)(runner, attacks)
    finally:
        (folder / "table.md").write_text(table(runner.rows, form))
    for failure in runner.failed:
        print(f"failed: {failure}")
    print(f"{len(runner.failed)} of the verdicts failed" if runner.failed else "all verdicts hold")
    return 1 if runner.failed else 0


if __name__ == "__main__":
    sys.exit(main())
