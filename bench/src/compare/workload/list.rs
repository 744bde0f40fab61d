//! Which workloads are there?

use super::{Size, Unit, Workload};
use filch_bench_common::{Coordination, Copying, Http, Room, Service, Work};

pub(in crate::compare) const WORKLOADS: &[Workload] = &[
    Workload {
        name: "empty",
        unit: Unit::Ms,
        measures: "\
500 000 coroutines that only add one to a padded counter of their thread, from before the first
spawn until all have run. detached: a task starts them and keeps no handle; joined: it keeps the
handles and awaits one after the other; outside: a thread that is no worker starts them. cold: the
first time in a process, memory is touched for the first time; warm: after a time that does not count.",
        measures_not: "\
starting and ending the runtime, switches (each runs once), results, I/O, timers",
        kinds: &[
            ("detached", Work::EmptyDetached),
            ("joined", Work::EmptyJoined),
            ("outside", Work::EmptyOutside),
        ],
        has_cold: true,
        size: Size::Count(500_000),
    },
    Workload {
        name: "numbers",
        unit: Unit::Ns,
        measures: "\
what a coroutine of empty's (detached, warm, all cores) costs when so many are started, from 1000 to
5 000 000. Few are over before another worker is awake; many no longer fit into the processor's caches.",
        measures_not: "\
what empty does not; one start by itself (1000 are measured 500 times, and their median is told)",
        kinds: &[("detached,warm", Work::EmptyDetached)],
        has_cold: false,
        size: Size::Counts(&[1_000, 10_000, 100_000, 500_000, 1_000_000, 5_000_000]),
    },
    Workload {
        name: "workers",
        unit: Unit::Ns,
        measures: "\
what each of 500 000 coroutines costs with so many workers, whatever the number of cores. detached:
those of empty, where one task starts all and a worker more can only take them away from it; busy: each
computes for about a microsecond (500 steps of a generator), which is work that workers can share.",
        measures_not: "\
what empty does not; coroutines that start others",
        kinds: &[
            ("detached,warm", Work::EmptyDetached),
            ("busy,warm", Work::BusyDetached),
        ],
        has_cold: false,
        size: Size::CountWith(500_000, &[1, 2, 4, 8, 64]),
    },
    Workload {
        name: "parked",
        unit: Unit::Bytes,
        measures: "\
resident memory that stays for each of 1 000 000 coroutines that wait for ever, started 1000 at a
time, half a second after the last; detached, or with their handles kept in a list (joined). Each has
a waker somewhere that would end its wait; the waker itself is not counted.",
        measures_not: "\
what a coroutine holds across its await (nothing here), where its waker is kept, the kernel's memory",
        kinds: &[
            ("detached", Work::ParkedDetached),
            ("joined", Work::ParkedJoined),
        ],
        has_cold: false,
        size: Size::Count(1_000_000),
    },
    Workload {
        name: "yield",
        unit: Unit::Ns,
        measures: "\
giving up the turn, per turn, 1 000 000 times in all. one: a single task does, and is its own
successor; each: each of 1000 tasks does, and one in a thousand is the start and the join of them.",
        measures_not: "\
waking by somebody else, waiting for anything",
        kinds: &[("one", Work::YieldOne), ("each", Work::YieldEach)],
        has_cold: false,
        size: Size::Count(1_000_000),
    },
    Workload {
        name: "fib",
        unit: Unit::Ms,
        measures: "\
recursive fork and join: fib(27), each of the 635 621 calls a coroutine that its caller awaits.",
        measures_not: "\
computing (an addition per call), memory in use, deep chains (27 levels)",
        kinds: &[("joined", Work::Fib)],
        has_cold: false,
        size: Size::Fib(27),
    },
    Workload {
        name: "skynet",
        unit: Unit::Ms,
        measures: "\
a wide tree: 1 000 000 leaves and 111 111 nodes above them, each of which starts ten coroutines and
adds up what they return.",
        measures_not: "\
channels (the original answers through them, here the handles do), computing",
        kinds: &[("joined", Work::Skynet)],
        has_cold: false,
        size: Size::Leaves(1_000_000),
    },
    Workload {
        name: "pingpong",
        unit: Unit::Ns,
        measures: "\
two tasks that wake each other in turn, per round of there and back: two wakes, and two turns of a
task that has waited; 100 000 times. Between them stand a word and a waker in a lock, the same for
all whose tasks are futures; Go has a channel without room, may a Blocker each, Python an Event each.",
        measures_not: "\
data that is sent, wakes by threads that are no workers, several that wait for one thing",
        kinds: &[("in-turn", Work::PingPong)],
        has_cold: false,
        size: Size::Count(100_000),
    },
    Workload {
        name: "fan-in",
        unit: Unit::Ns,
        measures: "\
1000 tasks that each signal and give up their turn, again and again, and one that waits until
1 000 000 signals have come, per signal. A signal adds one to a word, and wakes the one who waits if it
sleeps: where that one runs next and not last, it is woken more often. Go has an atomic word and a
channel of one place, may a word and a Blocker, Python a plain counter and an Event.",
        measures_not: "\
data that is sent, memory in use, several that wait",
        kinds: &[("counted", Work::FanIn)],
        has_cold: false,
        size: Size::Count(1_000_000),
    },
    Workload {
        name: "sleeps",
        unit: Unit::Ms,
        measures: "\
1 000 000 coroutines that sleep once. cpu: for 1 to 100 ms, spread evenly; processor time of the whole
process, user and system, from before the first spawn until all have run. bytes: for an hour, started
1000 at a time; resident memory that stays for each, half a second after the last.",
        measures_not: "\
how late they wake, the time on the clock (most of it is slept), the kernel's memory",
        kinds: &[("cpu", Work::SleepsCpu), ("bytes", Work::SleepsBytes)],
        has_cold: false,
        size: Size::Count(1_000_000),
    },
    Workload {
        name: "timer",
        unit: Unit::Ns,
        measures: "\
beginning a sleep and letting it go, 1 000 000 times in one task: made for 1 ms to 1 s, polled once, and
dropped; every thousandth time the task gives up its turn. Go starts and stops a time.AfterFunc,
Python has call_later and cancel, gevent a timer of its hub.",
        measures_not: "\
sleeps that end, sleeps that another task or thread ends, many at a time",
        kinds: &[("cancelled", Work::Timer)],
        has_cold: false,
        size: Size::Count(1_000_000),
    },
    Workload {
        name: "roundtrip",
        unit: Unit::Us,
        measures: "\
how long a thread that is no worker waits for the result of an empty coroutine: it spawns it and parks
until its handle is complete. busy: 2000 times back to back; idle: the same, each time after 1 ms in
which the runtime has had nothing to do. p50 and p99 of the same samples.",
        measures_not: "\
throughput (one is under way at a time), work in the coroutine, what else the thread could do meanwhile",
        kinds: &[
            ("busy", Work::RoundTripBusy),
            ("idle", Work::RoundTripIdle),
        ],
        has_cold: false,
        size: Size::Count(2000),
    },
    Workload {
        name: "wake-hog",
        unit: Unit::Us,
        measures: "\
a coroutine wakes another that waits, and spins for 10 ms in the same poll, while another worker is
asleep: from just before the wake until the woken one runs. 200 samples; before each nothing happens for
1 ms, and the hog has been running for 0.1 ms when it wakes the other. p50 and p99.",
        measures_not: "\
the cost of a wake that strands nothing, several hogs, machines where every core is busy",
        kinds: &[("", Work::WakeHog)],
        has_cold: false,
        size: Size::Count(200),
    },
    Workload {
        name: "spawn-hog",
        unit: Unit::Us,
        measures: "\
the same with a coroutine that the hog spawns: from just before the spawn until it runs. 200 samples;
p50 and p99.",
        measures_not: "\
the cost of a spawn that strands nothing, several hogs, machines where every core is busy",
        kinds: &[("", Work::SpawnHog)],
        has_cold: false,
        size: Size::Count(200),
    },
    Workload {
        name: "timer-hog",
        unit: Unit::Us,
        measures: "\
how late a sleep of 1 ms is while as many coroutines as there are workers spin for 10 ms and give up
their turn, in a loop. 100 samples, beyond the deadline; what the runtime's ticks add counts. p50 and
p99. Of gevent as many samples as fit into 5 s: it takes half a second for each.",
        measures_not: "\
timers of a runtime with time to spare, the cost of timers, many of them",
        kinds: &[("", Work::TimerHog)],
        has_cold: false,
        size: Size::Count(100),
    },
    Workload {
        name: "readiness-hog",
        unit: Unit::Us,
        measures: "\
a coroutine waits for a byte of a socket, and the worker it ran on is kept busy for 10 ms by a coroutine
that it has spawned, while another worker is idle: from the write, by a thread that is no worker and 2 ms
after the hog has begun, until the reader has the byte. 200 samples, each with a pair of sockets of its
own; p50 and p99. If the hog does not get to the reader's worker, that is no sample.",
        measures_not: "\
making and registering the sockets, readers that a runtime has moved away from the hog, several hogs",
        kinds: &[("", Work::ReadinessHog)],
        has_cold: false,
        size: Size::Count(200),
    },
    Workload {
        name: "mpsc",
        unit: Unit::Ns,
        measures: "\
one or four tasks that send 1 000 000 numbers in all to one that receives, per message, through a
channel with room for 1, for 128, or without bound. Each library's own channel: filch's and tokio's
mpsc, async-channel on async-executor, flume, kanal and tachyonix on tokio, tachyonix on nexosim's
executor, Go's chan, which has no bound only where it has room for all.",
        measures_not: "\
large messages, senders that come and go, messages taken several at a time, threads that send",
        kinds: &[
            ("1,room-1", coordinate(Coordination::Mpsc(1, Room::For(1)))),
            ("1,room-128", coordinate(Coordination::Mpsc(1, Room::For(128)))),
            ("1,unbounded", coordinate(Coordination::Mpsc(1, Room::Unbounded))),
            ("4,room-1", coordinate(Coordination::Mpsc(4, Room::For(1)))),
            ("4,room-128", coordinate(Coordination::Mpsc(4, Room::For(128)))),
            ("4,unbounded", coordinate(Coordination::Mpsc(4, Room::Unbounded))),
        ],
        has_cold: false,
        size: Size::Count(1_000_000),
    },
    Workload {
        name: "mpmc",
        unit: Unit::Ns,
        measures: "\
four tasks that send 1 000 000 numbers in all to four that receive, each number once, through a channel
with room for 128, per message.",
        measures_not: "\
large messages, other rooms, how evenly the receivers share",
        kinds: &[("4x4,room-128", coordinate(Coordination::Mpmc))],
        has_cold: false,
        size: Size::Count(1_000_000),
    },
    Workload {
        name: "oneshot",
        unit: Unit::Ns,
        measures: "\
a channel for one value, 500 000 times, made, used and dropped. alone: by one task, with no wait; reply:
a task asks another through a channel that stays (room for 128) and waits for the answer, one question
at a time. Go has a channel of one place; smol's people have none, oneshot 0.2 stands in.",
        measures_not: "\
values that are never sent, receivers that go away, threads",
        kinds: &[
            ("alone", coordinate(Coordination::OneshotAlone)),
            ("reply", coordinate(Coordination::OneshotReply)),
        ],
        has_cold: false,
        size: Size::Count(500_000),
    },
    Workload {
        name: "pingpong-channels",
        unit: Unit::Ns,
        measures: "\
two tasks that send a number to and fro through two channels with room for one, per round of there and
back, 200 000 times. With one worker on the same; with two, on one or on both, as the runtime has it.",
        measures_not: "\
throughput (one message is under way at a time), several pairs",
        kinds: &[("in-turn", coordinate(Coordination::PingPongChannels))],
        has_cold: false,
        size: Size::Count(200_000),
    },
    Workload {
        name: "broadcast",
        unit: Unit::Ns,
        measures: "\
one task that publishes 100 000 numbers to ten that have subscribed, per number published. After each
64 it waits until all ten have said that they are there, through a channel of the same library, so that
nobody is left behind: ten messages for 64, which are in the time.",
        measures_not: "\
subscribers that lag, large values, many who publish",
        kinds: &[("to-10", coordinate(Coordination::Broadcast))],
        has_cold: false,
        size: Size::Count(100_000),
    },
    Workload {
        name: "watch",
        unit: Unit::Ns,
        measures: "\
two tasks, each of which sets a value when the other's has changed, per round of two changes, 200 000
times.",
        measures_not: "\
values that nobody sees, many who look",
        kinds: &[("in-turn", coordinate(Coordination::Watch))],
        has_cold: false,
        size: Size::Count(200_000),
    },
    Workload {
        name: "mutex",
        unit: Unit::Ns,
        measures: "\
locking, adding one, unlocking, 1 000 000 times in all, per lock. alone: by one task; shared: by four,
which await nothing while they hold it, so that with one worker nobody ever finds it locked.",
        measures_not: "\
locks held across an await, fairness, threads",
        kinds: &[
            ("alone", coordinate(Coordination::MutexAlone)),
            ("shared", coordinate(Coordination::MutexShared)),
        ],
        has_cold: false,
        size: Size::Count(1_000_000),
    },
    Workload {
        name: "rwlock",
        unit: Unit::Ns,
        measures: "\
four tasks that lock 1 000 000 times in all, nine times to read and once to write, per lock. They await
nothing while they hold it.",
        measures_not: "\
locks held across an await, fairness, threads",
        kinds: &[("9-to-1", coordinate(Coordination::RwLock))],
        has_cold: false,
        size: Size::Count(1_000_000),
    },
    Workload {
        name: "semaphore",
        unit: Unit::Ns,
        measures: "\
four tasks that take one of two permits and give it back, 1 000 000 times in all, per permit. They await
nothing while they hold it. Go has a channel with room for two.",
        measures_not: "\
permits held across an await, several at a time, fairness",
        kinds: &[("2-for-4", coordinate(Coordination::Semaphore))],
        has_cold: false,
        size: Size::Count(1_000_000),
    },
    Workload {
        name: "sets",
        unit: Unit::Ms,
        measures: "\
100 000 empty tasks that are waited for together, from before the first until all have ended. joinset: in
a JoinSet, whose outputs are taken as they come and added up; scope: in a scope, which ends when they
have. Go sends the outputs through one channel, and has a WaitGroup for a scope.",
        measures_not: "\
tasks that fail, tasks that are cancelled, limits",
        kinds: &[
            ("joinset", coordinate(Coordination::JoinSet)),
            ("scope", coordinate(Coordination::Scope)),
        ],
        has_cold: false,
        size: Size::Count(100_000),
    },
    Workload {
        name: "funnel",
        unit: Unit::Ns,
        measures: "\
61 rigs at a time, of 13 tasks each that send to one, through channels with room for 1, 10 or 100;
1 000 000 messages in all, per message. The shape is tachyobench's.",
        measures_not: "\
what mpsc does not; how evenly the rigs get on",
        kinds: &[
            ("room-1", coordinate(Coordination::Funnel(1))),
            ("room-10", coordinate(Coordination::Funnel(10))),
            ("room-100", coordinate(Coordination::Funnel(100))),
        ],
        has_cold: false,
        size: Size::Count(1_000_000),
    },
    Workload {
        name: "pinball",
        unit: Unit::Ns,
        measures: "\
61 rigs at a time, of 13 tasks each, among which 1, 10 or 100 messages wander: each task passes what it
receives on to another one at random. 1 000 000 steps in all, per step. Room is never short, and most
tasks wait most of the time. The shape is tachyobench's.",
        measures_not: "\
senders that wait, messages that are lost",
        kinds: &[
            ("1-ball", coordinate(Coordination::Pinball(1))),
            ("10-balls", coordinate(Coordination::Pinball(10))),
            ("100-balls", coordinate(Coordination::Pinball(100))),
        ],
        has_cold: false,
        size: Size::Count(1_000_000),
    },
    Workload {
        name: "echo",
        unit: Unit::PerSecond,
        measures: "\
a server that sends back what comes over 1, 64 or 1000 TCP connections, each with one message of 64 bytes
or 16 KiB under way; 50 000 messages. A task for each connection reads into 32 KiB and writes that; both
ends have TCP_NODELAY. Messages in a second, processor time of the server for each, and its system calls.
The load is one thread of another process; with one worker each of the two has a core of its own.",
        measures_not: "\
making connections, latency, messages sent before the last is back, parsing, what the load uses. In a
second there cannot be more than the load's core can send: where that is busy all the time, processor time
is what tells servers apart. With several workers the load takes its share of the same cores",
        kinds: &[
            ("1-conn,64B", serve(Service::Echo(1, 64))),
            ("64-conn,64B", serve(Service::Echo(64, 64))),
            ("1000-conn,64B", serve(Service::Echo(1000, 64))),
            ("1-conn,16kB", serve(Service::Echo(1, 16 << 10))),
            ("64-conn,16kB", serve(Service::Echo(64, 16 << 10))),
            ("1000-conn,16kB", serve(Service::Echo(1000, 16 << 10))),
        ],
        has_cold: false,
        size: Size::Count(50_000),
    },
    Workload {
        name: "udp-echo",
        unit: Unit::PerSecond,
        measures: "\
a server that sends back datagrams of 64 bytes, one at a time by one task on one socket; 1 or 64 sockets of
the load have one under way each; 50 000 datagrams. Told is what echo tells.",
        measures_not: "\
batches (recvmmsg, GSO, GRO), several tasks or sockets, loss: one datagram lost ends the run",
        kinds: &[
            ("1-socket", serve(Service::UdpEcho(1))),
            ("64-sockets", serve(Service::UdpEcho(64))),
        ],
        has_cold: false,
        size: Size::Count(50_000),
    },
    Workload {
        name: "connect",
        unit: Unit::PerSecond,
        measures: "\
connections that a server accepts, gives to a task each, and closes there; 20 000 of them. The load makes 64
at a time and then waits until each has been closed. Told is what echo tells.",
        measures_not: "\
bytes on the connections, accepting on several listeners. Making a connection costs the load more than
accepting it costs the server, so that processor time tells servers apart and the clock hardly does",
        kinds: &[("accept-close", serve(Service::Connect))],
        has_cold: false,
        size: Size::Count(20_000),
    },
    Workload {
        name: "idle-connections",
        unit: Unit::Bytes,
        measures: "\
resident memory in user space that each of 10 000 connections takes which have sent back one byte and wait
for the next, half a second after the last: the task with its room of 64 bytes, its socket, and what the
runtime keeps of both. One connection is there before the first look. The kernel gives the server no huge
pages: 2 MiB at a time are 200 bytes of each connection.",
        measures_not: "\
the kernel's memory (sockets, epoll), connections that are busy, larger rooms",
        kinds: &[("echoed", serve(Service::Idle))],
        has_cold: false,
        size: Size::Count(10_000),
    },
    Workload {
        name: "proxy",
        unit: Unit::PerSecond,
        measures: "\
messages of 64 bytes over 64 connections through a proxy to a server and back, 20 000 of them; both are the
load's. The proxy connects to the server for each connection, and joins the two in its own way: filch and
Go by splice, tokio by copy_bidirectional with 64 KiB, monoio by reading and writing 64 KiB.",
        measures_not: "\
making connections; the load does twice what the proxy does, see echo",
        kinds: &[("64-conn,64B", serve(Service::ProxyEcho(64)))],
        has_cold: false,
        size: Size::Count(20_000),
    },
    Workload {
        name: "proxy-stream",
        unit: Unit::MibPerSecond,
        measures: "\
1000 MiB through the proxy of the last workload, over 1 or 16 connections at once and one way. The load
sends a file by sendfile and throws away what comes without copying it.",
        measures_not: "\
making connections, both ways at once, a network's own limits",
        kinds: &[
            ("1-conn", serve(Service::ProxyStream(1))),
            ("16-conn", serve(Service::ProxyStream(16))),
        ],
        has_cold: false,
        size: Size::Count(1000),
    },
    Workload {
        name: "http-hello",
        unit: Unit::PerSecond,
        measures: "\
an HTTP server that answers GET / with 13 bytes of plain text, Date and Server; 100 000 requests in a closed
loop, each connection with one or 16 (pipelined) under way. 64-conn: a server of one worker with a core to
itself, the load on another; 256-conn: one with a worker for each core, which it shares with the load. Told
are requests in a second, processor time of the server for each, how long they took (of 16 at once from
when all were sent), system calls and, with --instructions, user-space instructions for each.",
        measures_not: "\
making connections, bodies, routes, what the load uses: where its core is busy all the time, processor time
is what tells servers apart. How long a request takes in a closed loop is how long the queue is that the
load makes: see http-paced for what a client waits",
        kinds: &[
            ("64-conn", Work::Http(Http::Hello(64, 1))),
            ("64-conn,16-at-once", Work::Http(Http::Hello(64, 16))),
            ("256-conn", Work::Http(Http::Hello(256, 1))),
        ],
        has_cold: false,
        size: Size::Count(100_000),
    },
    Workload {
        name: "http-visits",
        unit: Unit::PerSecond,
        measures: "\
the same over a connection for each request, which the server closes; 20 000 of them, 64 at a time. A
request's time is from before connect(2) until the end of the connection is seen.",
        measures_not: "\
what http-hello does not; several listeners",
        kinds: &[("one-request", Work::Http(Http::Visits))],
        has_cold: false,
        size: Size::Count(20_000),
    },
    Workload {
        name: "http-routes",
        unit: Unit::PerSecond,
        measures: "\
handlers that do something, 20 000 requests over 64 connections to a server of one worker. json: an object
of one field, serialised for each; fib-50: a number from the path, and a loop; burn-21: the same with
10 946 by naive recursion, some 50 us. Told is what http-hello tells.",
        measures_not: "\
handlers that wait, databases, large routers",
        kinds: &[
            ("json", Work::Http(Http::Json)),
            ("fib-50", Work::Http(Http::Fib)),
            ("burn-21", Work::Http(Http::Burn)),
        ],
        has_cold: false,
        size: Size::Count(20_000),
    },
    Workload {
        name: "http-paced",
        unit: Unit::PerSecond,
        measures: "\
how long clients wait: GET / at even distances over 64 connections, 20 000 requests, whether or not earlier
ones were answered; a request's time runs from when it was due, so that a server that stalls for a
millisecond makes wait all who come in that millisecond. half: half of what this server has done in a
closed loop just before; 20000-a-second: the same for everyone. The server has one worker and a core,
the load, which looks at the clock all the time, another. The rate told is the one that was reached.",
        measures_not: "\
bursts, rates near what the server can do, networks",
        kinds: &[
            ("half", Work::Http(Http::AtHalf)),
            ("20000-a-second", Work::Http(Http::AtRate(20_000))),
        ],
        has_cold: false,
        size: Size::Count(20_000),
    },
    Workload {
        name: "http-beside",
        unit: Unit::Burns,
        measures: "\
how long clients of GET / wait while one or four others ask for /burn/35 again and again, a handler that
computes for some 30 ms without awaiting anything: 1000 requests a second for 2 s over 16 connections, to
a server with a worker for each core. A request's time runs from when it was due. And how many burns are
answered in a second meanwhile: whoever lets nobody wait by letting the burns wait has few.",
        measures_not: "\
handlers that give up their turn, or that are moved to threads of their own; it is about those that do not",
        kinds: &[
            ("1-burning", Work::Http(Http::Beside(1))),
            ("4-burning", Work::Http(Http::Beside(4))),
        ],
        has_cold: false,
        size: Size::Count(2000),
    },
    Workload {
        name: "http-file",
        unit: Unit::PerSecond,
        measures: "\
a file of 100 kB from memory (/dev/shm), 5000 times over 64 connections to a server of one worker, in each
one's own way to serve files. Told is what http-hello tells.",
        measures_not: "\
disks, ranges, conditional requests, compression; the load throws the bytes away without copying them",
        kinds: &[("100-kB", Work::Http(Http::SmallFile))],
        has_cold: false,
        size: Size::Count(5000),
    },
    Workload {
        name: "http-large",
        unit: Unit::MibPerSecond,
        measures: "\
500 MiB over 8 connections from a server of one worker. file-10-MiB: as files of that size; echo-1-MiB: as
bodies of that size, which are posted and come back. Told are MiB in a second, and processor time, system
calls and instructions for each MiB; but how long a request took for the whole of it.",
        measures_not: "\
what http-file does not; bodies that are parsed",
        kinds: &[
            ("file-10-MiB", Work::Http(Http::LargeFile)),
            ("echo-1-MiB", Work::Http(Http::Echo)),
        ],
        has_cold: false,
        size: Size::Count(500),
    },
    Workload {
        name: "http-idle",
        unit: Unit::Bytes,
        measures: "\
resident memory in user space that each of 10 000 connections takes which have been answered once and wait
for their next request, half a second after the last. One is there before the first look. The kernel
gives the server no huge pages.",
        measures_not: "\
the kernel's memory for both ends, connections that are busy",
        kinds: &[("answered", Work::Http(Http::Idle))],
        has_cold: false,
        size: Size::Count(10_000),
    },
    Workload {
        name: "http-among-idle",
        unit: Unit::PerSecond,
        measures: "\
http-hello's 100 000 requests over 64 connections, to a server of one worker, while 10 000 other connections
wait that have been answered once. Told is what http-hello tells.",
        measures_not: "\
what http-hello does not; connections that wait and time out",
        kinds: &[("64-conn", Work::Http(Http::AmongIdle))],
        has_cold: false,
        size: Size::Count(100_000),
    },
    Workload {
        name: "copy",
        unit: Unit::MibPerSecond,
        measures: "\
a file of 1 MiB copied onto another in memory, 500 times, one after the other. whole: by the runtime's call
for that, which lets the kernel copy (filch and tokio fs::copy, Go io.Copy); pieces: by reading 64 KiB and
writing them in turn. Told are MiB in a second, processor time of the process and system calls for each MiB.",
        measures_not: "\
disks, many files at once, small reads",
        kinds: &[
            ("whole", Work::Copy(Copying::Whole)),
            ("pieces", Work::Copy(Copying::Pieces)),
        ],
        has_cold: false,
        size: Size::Count(500),
    },
];

const fn serve(service: Service) -> Work {
    Work::Serve(service)
}

const fn coordinate(work: Coordination) -> Work {
    Work::Coordinate(work)
}
