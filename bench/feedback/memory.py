"""What a codec has left out of payloads so far, for each sender."""

import torch
from torch import Tensor

from bench.replicas.layout import Part


class Memory:
    """Rows e of what is owed: x = decay e + payload is encoded, and what its receiver does not see of x is the new e.

    A row for each sender has the columns of the parameters, of which a payload is about a part, or all. Payloads of other sizes
    that are about no part have rows for each size. All begin with zeros.
    """

    def __init__(self, decay: float, senders: int, columns: int) -> None:
        self._decay, self._senders, self._columns = decay, senders, columns
        self._owed: dict[int, Tensor] = {}  # by columns, (senders, columns)

    def add(self, payload: Tensor, ranks: list[int], part: Part | None) -> Tensor:
        """What `ranks` encode instead of their `payload`, (n, m), which is about `part`."""
        owed = self._rows(payload, part)
        return payload + self._decay * (owed if part is None else part.of(owed))[ranks]

    def keep(self, left: Tensor, ranks: list[int], part: Part | None) -> None:
        """What is `left` out of that which `ranks` have just encoded, (n, m)."""
        owed = self._rows(left, part)
        rows = owed[ranks]
        (part or Part(((0, left.shape[1]),))).put(rows, left)
        owed[ranks] = rows

    def forget(self, ranks: list[int]) -> None:
        """`ranks` have lost what they remember."""
        for owed in self._owed.values():
            owed[ranks] = 0.0

    def _rows(self, payload: Tensor, part: Part | None) -> Tensor:
        """The memory that has the columns of `payload`."""
        columns = payload.shape[1] if part is None else self._columns
        if columns not in self._owed:
            self._owed[columns] = torch.zeros(self._senders, columns, device=payload.device)
        return self._owed[columns]
