"""What is the same work on the coroutines of Python: asyncio, uvloop, gevent?

The shape is that of bench/workloads, word by word, and the answer is that of bench/common. The command line has the module first:
`peer.py asyncio WORK WORKERS SIZE WARM_UPS REPETITIONS`; `peer.py asyncio version` says which version there is, if there is one.

One thread, so that the counter is a plain variable.
"""

import json
import os
import sys
import time

SETTLE_S = 0.02
SETTLE_PARKED_S = 0.5
ENOUGH_S = 1.0
PARKED_AT_ONCE = 1000
YIELDING_TASKS = 1000
CHILDREN = 10

count = 0


def add_one():
    global count
    count += 1


class Asyncio:
    """On an event loop; uvloop's is one too."""

    def __init__(self, module):
        import asyncio

        self.asyncio = asyncio
        if module == "uvloop":
            import uvloop

            self.version = uvloop.__version__
            self.new_loop = uvloop.new_event_loop
        else:
            self.version = ".".join(map(str, sys.version_info[:3]))
            self.new_loop = asyncio.new_event_loop

    def start(self):
        self.loop = self.new_loop()
        self.spawn = self.loop.create_task
        self.kept = []

    def run(self, work):
        return self.loop.run_until_complete(work)

    def works(self, size):
        return {
            "empty-detached": lambda: self.detached(size),
            "empty-joined": lambda: self.joined(size),
            "parked-joined": lambda: self.parked(size),
            "yield-one": lambda: self.several(size),
            "yield-each": lambda: self.each(size),
            "fib": lambda: self.recursion(size),
            "skynet": lambda: self.skynet(size),
        }

    async def empty(self):
        add_one()

    async def waiting(self):
        add_one()
        await self.loop.create_future()

    async def until_counted(self, goal):
        while count != goal:
            await self.asyncio.sleep(0)

    async def detached(self, tasks):
        goal = count + tasks
        for _ in range(tasks):
            self.spawn(self.empty())
        await self.until_counted(goal)

    async def joined(self, tasks):
        for handle in [self.spawn(self.empty()) for _ in range(tasks)]:
            await handle

    async def parked(self, tasks):
        goal = count + tasks
        for left in range(tasks, 0, -1):
            self.kept.append(self.spawn(self.waiting()))
            if left % PARKED_AT_ONCE == 0:
                await self.until_counted(goal - left + 1)
        await self.until_counted(goal)

    async def several(self, yields):
        for _ in range(yields):
            await self.asyncio.sleep(0)

    async def each(self, yields):
        shares = [(yields + YIELDING_TASKS - 1 - task) // YIELDING_TASKS for task in range(YIELDING_TASKS)]
        for task in [self.spawn(self.several(share)) for share in shares]:
            await task

    async def recursion(self, n):
        assert await self.spawn(self.fib(n)) == expected(n)

    async def fib(self, n):
        if n < 2:
            return n
        one = self.spawn(self.fib(n - 1))
        other = self.spawn(self.fib(n - 2))
        return await one + await other

    async def skynet(self, leaves):
        assert await self.spawn(self.node(0, leaves)) == leaves * (leaves - 1) // 2

    async def node(self, first, leaves):
        if leaves == 1:
            return first
        step = leaves // CHILDREN
        total = 0
        for child in [self.spawn(self.node(first + child * step, step)) for child in range(CHILDREN)]:
            total += await child
        return total


class Gevent:
    """On greenlets, which have stacks and block."""

    def __init__(self, _module):
        import gevent

        self.gevent = gevent
        self.version = gevent.__version__

    def start(self):
        self.spawn = self.gevent.spawn
        self.kept = []

    def run(self, work):
        return self.spawn(work).get()

    def works(self, size):
        return {
            "empty-detached": lambda: lambda: self.detached(size),
            "empty-joined": lambda: lambda: self.joined(size),
            "parked-joined": lambda: lambda: self.parked(size),
            "yield-one": lambda: lambda: self.several(size),
            "yield-each": lambda: lambda: self.each(size),
            "fib": lambda: lambda: self.recursion(size),
            "skynet": lambda: lambda: self.skynet(size),
        }

    def waiting(self):
        add_one()
        self.gevent.get_hub().switch()

    def until_counted(self, goal):
        while count != goal:
            self.gevent.sleep(0)

    def detached(self, tasks):
        goal = count + tasks
        for _ in range(tasks):
            self.spawn(add_one)
        self.until_counted(goal)

    def joined(self, tasks):
        for handle in [self.spawn(add_one) for _ in range(tasks)]:
            handle.get()

    def parked(self, tasks):
        goal = count + tasks
        for left in range(tasks, 0, -1):
            self.kept.append(self.spawn(self.waiting))
            if left % PARKED_AT_ONCE == 0:
                self.until_counted(goal - left + 1)
        self.until_counted(goal)

    def several(self, yields):
        for _ in range(yields):
            self.gevent.sleep(0)

    def each(self, yields):
        shares = [(yields + YIELDING_TASKS - 1 - task) // YIELDING_TASKS for task in range(YIELDING_TASKS)]
        for task in [self.spawn(self.several, share) for share in shares]:
            task.get()

    def recursion(self, n):
        assert self.spawn(self.fib, n).get() == expected(n)

    def fib(self, n):
        if n < 2:
            return n
        one = self.spawn(self.fib, n - 1)
        other = self.spawn(self.fib, n - 2)
        return one.get() + other.get()

    def skynet(self, leaves):
        assert self.spawn(self.node, 0, leaves).get() == leaves * (leaves - 1) // 2

    def node(self, first, leaves):
        if leaves == 1:
            return first
        step = leaves // CHILDREN
        children = [self.spawn(self.node, first + child * step, step) for child in range(CHILDREN)]
        return sum(child.get() for child in children)


def expected(n):
    a, b = 0, 1
    for _ in range(n):
        a, b = b, a + b
    return a


def resident_bytes():
    with open("/proc/self/smaps_rollup") as rollup:
        return next(int(line.split()[1]) * 1024 for line in rollup if line.startswith("Rss:"))


def weigh(runtime, work):
    before = resident_bytes()
    runtime.run(work())
    time.sleep(SETTLE_PARKED_S)
    return [max(0, resident_bytes() - before)]


def measure(runtime, work, warm_ups, repetitions):
    for _ in range(warm_ups):
        runtime.run(work())
    begun = time.perf_counter()
    figures = []
    while len(figures) < repetitions and (not figures or time.perf_counter() - begun < ENOUGH_S):
        before = time.perf_counter()
        runtime.run(work())
        figures.append(time.perf_counter() - before)
    return figures


def answer(runtime, name, workers, size, warm_ups, repetitions):
    if workers > 1:
        return {"cannot": "it has one thread"}
    if name == "empty-outside":
        return {"cannot": "it has one thread, and none outside"}
    if name == "parked-detached":
        return {"cannot": "it does not keep what nobody refers to"}
    runtime.start()
    work = runtime.works(size)[name]
    time.sleep(SETTLE_S)
    if name.startswith("parked"):
        return {"figures": weigh(runtime, work)}
    return {"figures": measure(runtime, work, warm_ups, repetitions)}


def main(module, *words):
    runtime = (Gevent if module == "gevent" else Asyncio)(module)
    if words == ("version",):
        print(runtime.version)
        return
    name, *numbers = words
    print(json.dumps(answer(runtime, name, *map(int, numbers))), flush=True)
    # Without ending what is parked.
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
