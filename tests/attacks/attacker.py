"""One attack in a process: the order on standard input, the outcome on standard output."""

import json
import sys
from pathlib import Path

import clips
import suite
from client import Target


def main() -> None:
    order = json.load(sys.stdin)
    clips.folder = Path(order["clips"])
    attack = next(attack for attack in suite.ATTACKS if attack.name == order["name"])
    outcome = attack.run(Target(**order["target"]), order["knobs"])
    print(
        json.dumps(
            {"counts": outcome.counts, "findings": outcome.findings, "skipped": outcome.skipped}
        ),
        flush=True,
    )
    # Threads that still wait for the server are nobody's business any more.
    sys.stdout.flush()


if __name__ == "__main__":
    main()
