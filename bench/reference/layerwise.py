"""The schedule that the Streaming DiLoCo paper simulates, layer by layer (Douillard et al., arXiv:2501.18512, 3.1)."""

from bench.algorithm import Algorithm, AllReduce, Backward, Forward, Handle, Program, Start, Train, Wait
from bench.replicas import Part, Replicas


class Layerwise(Algorithm):
    """When things are sent, without what is learned: only the Simulator has a use for it.

    Each of `fragments`, which are strided over the `layers`, is sent every `sync_every` steps. Each of its layers goes as soon
    as the backward pass of that step is through with it, and must be there before the same layer's forward pass, `delay` steps
    after the next one. One fragment is DiLoCo, and with `sync_every` 1 data parallelism.
    """

    def __init__(self, *, layers: int, sync_every: int, fragments: int, delay: int) -> None:
        if not 1 <= fragments <= layers:
            raise ValueError(f"fragments must be in [1, layers = {layers}], got {fragments}")
        if sync_every < fragments:
            raise ValueError(f"sync_every must be >= fragments = {fragments}, got {sync_every}")
        if delay < 0:
            raise ValueError(f"delay must be >= 0, got {delay}")
        self.layers, self.sync_every, self.fragments, self.delay = layers, sync_every, fragments, delay

    def run(self, replicas: Replicas) -> Program:
        layers = replicas.layout.parts(self.layers)
        due: dict[int, dict[int, Handle]] = {}  # of each step, the layers that its forward pass waits for
        step, sent = 0, 0
        while True:
            number = sent % self.fragments
            send = sent // self.fragments * self.sync_every + (number + 1) * self.sync_every // self.fragments
            plain = min(send, *due) - 1 - step if due else send - 1 - step
            if plain:
                yield Train(plain)
                step += plain
            step += 1
            yield from self._forward(layers, due.pop(step, {}))
            if step < send:
                yield Backward()
                continue
            sent += 1
            handles = due[step + 1 + self.delay] = {}
            yield from self._backward(replicas, layers, set(range(number, self.layers, self.fragments)), handles)

    def _forward(self, layers: tuple[Part, ...], handles: dict[int, Handle]) -> Program:
        """The forward pass of one step, which waits for each of `handles` before its layer."""
        begin = 0
        for layer in sorted(handles):
            if layer > begin:
                yield Forward(_joined(layers[begin:layer]))
            yield Wait(handles[layer])
            begin = layer
        yield Forward(_joined(layers[begin:]))

    def _backward(self, replicas: Replicas, layers: tuple[Part, ...], sends: set[int], handles: dict[int, Handle]) -> Program:
        """The backward pass of one step, from the last layer on; notes a handle for each layer of `sends`."""
        end = len(layers)
        for layer in sorted(sends, reverse=True):
            yield Backward(_joined(layers[layer:end]))
            handles[layer] = yield Start(AllReduce(layers[layer].of(replicas.params), layers[layer]))
            end = layer
        if end:
            yield Backward(_joined(layers[:end]))


def _joined(layers: tuple[Part, ...]) -> Part:
    """Consecutive layers as one part."""
    return Part(((layers[0].spans[0][0], layers[-1].spans[-1][1]),))
