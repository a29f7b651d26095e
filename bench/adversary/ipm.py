"""Inner-product manipulation (Xie, Koyejo & Gupta, "Fall of Empires", UAI 2020, arXiv:1903.03936)."""

from torch import Tensor

from bench.adversary.base import BadActors, check_finite, honest


class InnerProductManipulation(BadActors):
    """All bad workers send -epsilon times the mean of the honest payloads.

    A large epsilon turns the plain mean round, where m epsilon > n - m; a small one hides near zero, where a rule that looks
    for a central payload in noise finds it.
    """

    sees_others = True

    def __init__(self, *, fraction: float, start: int, epsilon: float) -> None:
        super().__init__(fraction=fraction, start=start)
        check_finite(epsilon=epsilon)
        self.epsilon = epsilon

    def forged(self, payloads: Tensor, bad: Tensor, last: Tensor | None, draw: int) -> Tensor:
        return -self.epsilon * honest(payloads, bad).mean(0, keepdim=True)
