"""Which faults when: drawn from a seed, so that the same seed draws them again."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from faults.injections import FAULTS, Fault

FIRST_AT_S = 0.5
GAP_S = (0.1, 2.5)


@dataclass(frozen=True, slots=True)
class Step:
    """One fault of a run; ``salt`` decides what is left open: which worker, how far.

    ``strikes_anyway``: also a service that is only just starting again.
    """

    at_s: float
    fault: Fault
    lasts_s: float
    salt: int

    @property
    def strikes_anyway(self) -> bool:
        return self.salt % 4 == 0

    def __str__(self) -> str:
        lasts = f" for {self.lasts_s:.1f} s" if self.lasts_s else ""
        return f"{self.at_s:.1f} s {self.fault.name}{lasts}"


@dataclass(frozen=True, slots=True)
class Plan:
    """``names`` are those that were to choose from; empty: all that the database knows.

    ``pace``: how much shorter than usual faults last and follow one another.
    """

    seed: int
    database: str
    seconds: float
    names: tuple[str, ...]
    pace: float
    steps: tuple[Step, ...]

    @property
    def replay(self) -> str:
        """The command that draws it again."""
        chosen = f" --faults {','.join(self.names)}" if self.names else ""
        pace = f" --pace {self.pace:g}" if self.pace != 1 else ""
        return (
            f"make faults SEED={self.seed} ARGS='--runs 1 --database {self.database}"
            f" --seconds {self.seconds:g}{pace}{chosen}'"
        )

    def __str__(self) -> str:
        return "; ".join(map(str, self.steps))


def draw(
    seed: int, database: str, seconds: float, names: Sequence[str] = (), pace: float = 1
) -> Plan:
    """Faults one after the other and, where their targets differ, over one another.

    Each of them comes once before any comes again, in an order of the seed's.
    """
    chance = random.Random(f"{seed}:{database}")
    known = [FAULTS[name] for name in names or FAULTS if database in FAULTS[name].databases]
    steps: list[Step] = []
    busy_until: dict[str, float] = {}
    bag: list[Fault] = []
    at_s = FIRST_AT_S
    while at_s < seconds:
        bag = bag or chance.sample(known, len(known))
        fault = bag.pop()
        begins = max(at_s, busy_until.get(fault.target, 0))
        at_s += chance.uniform(*GAP_S) / pace
        if begins > seconds:
            continue  # its target is busy until the end
        lasts_s = round(chance.uniform(*fault.lasts) / pace, 1)
        steps.append(Step(round(begins, 1), fault, lasts_s, chance.getrandbits(32)))
        busy_until[fault.target] = begins + lasts_s + GAP_S[0]
    return Plan(seed, database, seconds, tuple(names), pace, tuple(steps))
