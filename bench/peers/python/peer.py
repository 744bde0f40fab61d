"""What is the same work on the coroutines of Python: asyncio, uvloop, gevent?

The shape is that of bench/workloads, word by word, and the answer is that of bench/common. The command line has the module first:
`peer.py asyncio WORK WORKERS SIZE WARM_UPS REPETITIONS`; `peer.py asyncio version` says which version there is, if there is one.

One thread, so that the counter is a plain variable. Two that take turns have an Event each; a signal is an addition, and sets an Event
that the one who waits clears.
"""

import json
import os
import sys
import threading
import time

SETTLE_S = 0.02
SETTLE_PARKED_S = 0.5
ENOUGH_S = 1.0
PARKED_AT_ONCE = 1000
YIELDING_TASKS = 1000
CHILDREN = 10
SLEEP_LONGEST_MS = 100
SLEEP_LONG_S = 3600
TIMER_LONGEST_MS = 1000
TIMERS_AT_ONCE = 1000
IDLE_S = 0.001
SLEEP_S = 0.001
HOG_S = 0.01
# No further sample of gevent's begins after so long; a sleep among busy greenlets takes it half a second.
ENOUGH_LATE_S = 5.0
SERVERS_AND_FILES = ["udp-echo-1", "udp-echo-64", "connect", "idle-connections", "copy-whole", "copy-pieces"]
LATENCIES = ["roundtrip-busy", "roundtrip-idle", "timer-hog"]

count = 0


def add_one():
    global count
    count += 1


def spin_for(seconds):
    begun = time.perf_counter()
    while time.perf_counter() - begun < seconds:
        pass


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
            "parked-joined": lambda: self.parked(size, self.waiting),
            "yield-one": lambda: self.several(size),
            "yield-each": lambda: self.each(size),
            "fib": lambda: self.recursion(size),
            "skynet": lambda: self.skynet(size),
            "pingpong": lambda: self.ping_pong(size),
            "fan-in": lambda: self.fan_in(size),
            "sleeps-cpu": lambda: self.sleeps(size),
            "sleeps-bytes": lambda: self.parked(size, self.sleeping),
            "timer": lambda: self.timers(size),
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

    async def sleeping(self):
        add_one()
        await self.asyncio.sleep(SLEEP_LONG_S)

    async def parked(self, tasks, waiting):
        goal = count + tasks
        for left in range(tasks, 0, -1):
            self.kept.append(self.spawn(waiting()))
            if left % PARKED_AT_ONCE == 0:
                await self.until_counted(goal - left + 1)
        await self.until_counted(goal)

    async def several(self, yields):
        for _ in range(yields):
            await self.asyncio.sleep(0)

    async def each(self, yields):
        for task in [self.spawn(self.several(share)) for share in shares(yields)]:
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

    async def ping_pong(self, rounds):
        first, second = self.asyncio.Event(), self.asyncio.Event()
        for player in [self.spawn(self.first(first, second, rounds)), self.spawn(self.second(first, second, rounds))]:
            await player

    async def first(self, mine, other, rounds):
        for _ in range(rounds):
            other.set()
            await mine.wait()
            mine.clear()

    async def second(self, other, mine, rounds):
        for _ in range(rounds):
            await mine.wait()
            mine.clear()
            other.set()

    async def fan_in(self, signals):
        come = self.asyncio.Event()
        collector = self.spawn(self.collect(come, count + signals))
        for share in shares(signals):
            self.spawn(self.signal(come, share))
        await collector

    async def collect(self, come, goal):
        while count != goal:
            await come.wait()
            come.clear()

    async def signal(self, come, signals):
        for _ in range(signals):
            add_one()
            come.set()
            await self.asyncio.sleep(0)

    async def sleeps(self, tasks):
        goal = count + tasks
        for task in range(tasks):
            self.spawn(self.short((1 + task % SLEEP_LONGEST_MS) / 1000))
        while count != goal:
            await self.asyncio.sleep(0.001)

    async def short(self, seconds):
        await self.asyncio.sleep(seconds)
        add_one()

    async def timers(self, times):
        for left in range(times - 1, -1, -1):
            self.loop.call_later((1 + left % TIMER_LONGEST_MS) / 1000, nothing).cancel()
            if left % TIMERS_AT_ONCE == 0:
                await self.asyncio.sleep(0)

    def latencies(self, samples):
        return {
            "roundtrip-busy": lambda: self.roundtrips(samples, 0),
            "roundtrip-idle": lambda: self.roundtrips(samples, IDLE_S),
            "timer-hog": lambda: self.run(self.late(samples)),
        }

    def roundtrips(self, samples, idle_s):
        """The loop runs on a thread of its own, so that this one is outside."""
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        figures = []
        for _ in range(samples):
            if idle_s:
                time.sleep(idle_s)
            begun = time.perf_counter()
            self.asyncio.run_coroutine_threadsafe(self.empty(), self.loop).result()
            figures.append(time.perf_counter() - begun)
        return figures

    async def late(self, samples):
        self.is_over = False
        hog = self.spawn(self.hog())
        figures = []
        for _ in range(samples):
            due = time.perf_counter() + SLEEP_S
            await self.asyncio.sleep(SLEEP_S)
            figures.append(max(0.0, time.perf_counter() - due))
        self.is_over = True
        await hog
        return figures

    async def hog(self):
        while not self.is_over:
            spin_for(HOG_S)
            await self.asyncio.sleep(0)


class Gevent:
    """On greenlets, which have stacks and block."""

    def __init__(self, _module):
        import gevent
        import gevent.event

        self.gevent = gevent
        self.event = gevent.event
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
            "parked-joined": lambda: lambda: self.parked(size, self.waiting),
            "yield-one": lambda: lambda: self.several(size),
            "yield-each": lambda: lambda: self.each(size),
            "fib": lambda: lambda: self.recursion(size),
            "skynet": lambda: lambda: self.skynet(size),
            "pingpong": lambda: lambda: self.ping_pong(size),
            "fan-in": lambda: lambda: self.fan_in(size),
            "sleeps-cpu": lambda: lambda: self.sleeps(size),
            "sleeps-bytes": lambda: lambda: self.parked(size, self.sleeping),
            "timer": lambda: lambda: self.timers(size),
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

    def sleeping(self):
        add_one()
        self.gevent.sleep(SLEEP_LONG_S)

    def parked(self, tasks, waiting):
        goal = count + tasks
        for left in range(tasks, 0, -1):
            self.kept.append(self.spawn(waiting))
            if left % PARKED_AT_ONCE == 0:
                self.until_counted(goal - left + 1)
        self.until_counted(goal)

    def several(self, yields):
        for _ in range(yields):
            self.gevent.sleep(0)

    def each(self, yields):
        for task in [self.spawn(self.several, share) for share in shares(yields)]:
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

    def ping_pong(self, rounds):
        first, second = self.event.Event(), self.event.Event()
        for player in [self.spawn(self.first, first, second, rounds), self.spawn(self.second, first, second, rounds)]:
            player.get()

    def first(self, mine, other, rounds):
        for _ in range(rounds):
            other.set()
            mine.wait()
            mine.clear()

    def second(self, other, mine, rounds):
        for _ in range(rounds):
            mine.wait()
            mine.clear()
            other.set()

    def fan_in(self, signals):
        come = self.event.Event()
        collector = self.spawn(self.collect, come, count + signals)
        for share in shares(signals):
            self.spawn(self.signal, come, share)
        collector.get()

    def collect(self, come, goal):
        while count != goal:
            come.wait()
            come.clear()

    def signal(self, come, signals):
        for _ in range(signals):
            add_one()
            come.set()
            self.gevent.sleep(0)

    def sleeps(self, tasks):
        goal = count + tasks
        for task in range(tasks):
            self.spawn(self.short, (1 + task % SLEEP_LONGEST_MS) / 1000)
        while count != goal:
            self.gevent.sleep(0.001)

    def short(self, seconds):
        self.gevent.sleep(seconds)
        add_one()

    def timers(self, times):
        new_timer = self.gevent.get_hub().loop.timer
        for left in range(times - 1, -1, -1):
            timer = new_timer((1 + left % TIMER_LONGEST_MS) / 1000)
            timer.start(nothing)
            timer.close()
            if left % TIMERS_AT_ONCE == 0:
                self.gevent.sleep(0)

    def latencies(self, samples):
        return {"timer-hog": lambda: self.run(lambda: self.late(samples))}

    def late(self, samples):
        self.is_over = False
        hog = self.spawn(self.hog)
        begun = time.perf_counter()
        figures = []
        while len(figures) < samples and time.perf_counter() - begun < ENOUGH_LATE_S:
            due = time.perf_counter() + SLEEP_S
            self.gevent.sleep(SLEEP_S)
            figures.append(max(0.0, time.perf_counter() - due))
        self.is_over = True
        hog.get()
        return figures

    def hog(self):
        while not self.is_over:
            spin_for(HOG_S)
            self.gevent.sleep(0)


def nothing():
    pass


def shares(all):
    return [(all + YIELDING_TASKS - 1 - task) // YIELDING_TASKS for task in range(YIELDING_TASKS)]


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


def measure(runtime, work, clock, warm_ups, repetitions):
    for _ in range(warm_ups):
        runtime.run(work())
    begun = time.perf_counter()
    figures = []
    while len(figures) < repetitions and (not figures or time.perf_counter() - begun < ENOUGH_S):
        before = clock()
        runtime.run(work())
        figures.append(clock() - before)
    return figures


def answer(runtime, name, workers, size, warm_ups, repetitions):
    if workers > 1:
        return {"cannot": "it has one thread"}
    if name == "empty-outside":
        return {"cannot": "it has one thread, and none outside"}
    if name in SERVERS_AND_FILES or name.startswith(("echo-", "proxy-")):
        return {"cannot": "its sockets and files are not compared"}
    if name == "busy-detached":
        return {"cannot": "on one thread it would measure Python's arithmetic"}
    if name == "parked-detached":
        return {"cannot": "it does not keep what nobody refers to"}
    if name not in LATENCIES and name not in runtime.works(size):
        return {"cannot": "it is not asked: one thread coordinates with itself"}
    runtime.start()
    if name in LATENCIES:
        sample = runtime.latencies(warm_ups + repetitions).get(name)
        if not sample:
            return {"cannot": "greenlets are started by their own thread"}
        figures = sample()
        return {"figures": figures[min(warm_ups, len(figures) - 1) :]}
    work = runtime.works(size)[name]
    time.sleep(SETTLE_S)
    if name.startswith("parked") or name == "sleeps-bytes":
        return {"figures": weigh(runtime, work)}
    clock = time.process_time if name == "sleeps-cpu" else time.perf_counter
    return {"figures": measure(runtime, work, clock, warm_ups, repetitions)}


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
