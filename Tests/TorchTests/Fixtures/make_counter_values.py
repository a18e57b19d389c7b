"""Prints the numbers that GeneratorTests.swift pins: CounterGenerator, written a second time in Python.

A run's sample order and augmentations hang on these numbers: if they change, a run cannot be resumed.
"""

MASK = 2**64 - 1
GOLDEN = 0x9E3779B97F4A7C15


def finalize(z):
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & MASK
    return z ^ (z >> 31)


class Counter:
    def __init__(self, seed, purpose, *indices):
        self.state = finalize((seed ^ 0x6D6F636F73776966) + GOLDEN & MASK)
        for value in (purpose, *indices):
            self.state = finalize(self.state + value + GOLDEN & MASK)

    def next(self):
        self.state = self.state + GOLDEN & MASK
        return finalize(self.state)

    def uniform(self, low=0.0, high=1.0):
        return low + (self.next() >> 11) / 2**53 * (high - low)

    def below(self, bound):
        return self.next() * bound >> 64

    def permutation(self, count):
        order = list(range(count))
        for last in range(count - 1, 0, -1):
            other = self.below(last + 1)
            order[last], order[other] = order[other], order[last]
        return order


WEIGHTS, SAMPLE_ORDER, GEOMETRY, COLOR, KEY_SHUFFLE = 1, 2, 3, 4, 5

for arguments in [(0, WEIGHTS), (42, GEOMETRY, 3, 1000, 1), (2**64 - 1, COLOR, -1)]:
    counter = Counter(*arguments)
    print(arguments, [hex(counter.next()) for _ in range(3)])
counter = Counter(7, COLOR, 1)
print("uniform", repr(counter.uniform()), repr(counter.uniform(-2, 3)))
counter = Counter(7, SAMPLE_ORDER, 0)
print("below 10", [counter.below(10) for _ in range(12)])
print("permutation", Counter(1, KEY_SHUFFLE, 5, 0).permutation(10))
