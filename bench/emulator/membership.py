"""Who takes part: settled before each round, and anew when a reduction has broken."""

from dataclasses import dataclass, field

from torch import Tensor

from bench.errors import FarbenchError


class LostWhileJoining(FarbenchError):
    """Somebody dropped out while another came back, and what was settled no longer holds."""


Answers = dict[int, tuple[list[int], Tensor]]
"""By reduction: whose payloads it carried, and what all got."""


@dataclass
class Break:
    """What a member knows that has found its reduction broken."""

    index: int  # of the reduction
    answers: Answers  # of those just before it


@dataclass
class Membership:
    """The members of the moment. A *generation* is a set of them that has met."""

    members: set[int]
    near: bool = False  # who joins takes over from the nearest that stayed, as replicas differ; else from the first
    generation: int = 1  # they met once before links were shaped, and once after
    waiting: dict[int, Break] = field(default_factory=dict)  # members that want to meet anew
    done: dict[int, Answers] = field(default_factory=dict)  # members that are through, and their last answers
    ready: set[int] = field(default_factory=set)  # who is back with state, and waits for a round
    joining: set[int] = field(default_factory=set)  # of the members, who waits for the program's variables
    _rounds: dict[int, list[int]] = field(default_factory=dict)  # who joined in each

    def lost(self, rank: int) -> None:
        """`rank` has dropped out."""
        if rank in self.joining | {self.giver(joining) for joining in self.joining}:
            raise LostWhileJoining(f"rank {rank} dropped out while rank {min(self.joining)} came back: that is not emulated")
        self.members.discard(rank)
        self.waiting.pop(rank, None)
        self.ready.discard(rank)

    def round(self, number: int) -> list[int]:
        """Who joins in the round of that number: settled when the first member asks."""
        if number not in self._rounds:
            self.joining, self.ready = self.ready, set()
            self.members |= self.joining
            self.generation += bool(self.joining)
            self._rounds[number] = sorted(self.joining)
        return self._rounds[number]

    def joined(self, rank: int) -> None:
        """`rank` has all that it needs."""
        self.joining.discard(rank)

    def broken(self, rank: int, what: Break) -> None:
        """A member has found its reduction broken."""
        self.waiting[rank] = what

    def meet(self) -> tuple[int, dict[int, Answers]] | None:
        """Once all members that are not through wait: the first reduction that some of them have not done, and what each lacks.

        That are the answers that others have, of reductions whose answers are the same for all.
        """
        if not self.waiting or self.members - self.done.keys() != self.waiting.keys():
            return None
        known: Answers = {}
        for answers in (*self.done.values(), *(wait.answers for wait in self.waiting.values())):
            known |= answers
        self.generation += 1
        lacking = {
            rank: {index: answer for index, answer in known.items() if index >= wait.index}
            for rank, wait in self.waiting.items()
        }
        first = min(wait.index for wait in self.waiting.values())
        self.waiting = {}
        return first, lacking

    def giver(self, joining: int) -> int:
        """The member that hands the program's variables to one who joins."""
        stayed = self.members - self.joining
        return min(stayed, key=lambda rank: (abs(rank - joining), rank)) if self.near else min(stayed)
