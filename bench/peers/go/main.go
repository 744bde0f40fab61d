// What is the same work with goroutines?
//
// The shape is that of bench/workloads, word by word, and the command line and the answer are those of bench/common. Where Go has
// no such thing: a handle is a channel of one place that the goroutine sends to; the counters are padded too, but since a
// goroutine does not know its thread, each takes one by its number and adds to it atomically; two that take turns do so by
// a channel without room; a signal is an addition, and a message to a channel of one place unless one lies there.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	settle        = 20 * time.Millisecond
	settleParked  = 500 * time.Millisecond
	enough        = time.Second
	parkedAtOnce  = 1000
	yieldingTasks = 1000
	children      = 10
	steps         = 500
	shards        = 64
	sleepLongest  = 100
	sleepLong     = time.Hour
	timerLongest  = 1000
	timersAtOnce  = 1000
)

type counter struct {
	count atomic.Int64
	_     [120]byte
}

var counters [shards]counter

func addOne(number int) {
	counters[number%shards].count.Add(1)
}

func sum() int {
	total := int64(0)
	for i := range counters {
		total += counters[i].count.Load()
	}
	return int(total)
}

func untilCounted(goal int) {
	for sum() != goal {
		runtime.Gosched()
	}
}

func detached(tasks int) {
	goal := sum() + tasks
	for i := 0; i < tasks; i++ {
		go addOne(i)
	}
	untilCounted(goal)
}

// Where what a busy goroutine computes would go if it were ever 0, so that it is computed. The steps are those of bench/common.
var found atomic.Uint64

func busy(tasks int) {
	goal := sum() + tasks
	for i := 0; i < tasks; i++ {
		go func() {
			x := uint64(i) + 1
			for step := 0; step < steps; step++ {
				x ^= x << 13
				x ^= x >> 7
				x ^= x << 17
			}
			if x == 0 {
				found.Store(x)
			}
			addOne(i)
		}()
	}
	untilCounted(goal)
}

func joined(tasks int) {
	handles := make([]chan struct{}, 0, tasks)
	for i := 0; i < tasks; i++ {
		handle := make(chan struct{}, 1)
		handles = append(handles, handle)
		go func() {
			addOne(i)
			handle <- struct{}{}
		}()
	}
	for _, handle := range handles {
		<-handle
	}
}

// What parked goroutines wait for; nobody ever sends.
var never = make(chan struct{})

// What is kept of them.
var kept []chan struct{}

func parked(tasks int, keep bool) {
	goal := sum() + tasks
	for left := tasks; left > 0; left-- {
		if keep {
			handle := make(chan struct{}, 1)
			kept = append(kept, handle)
			go func() {
				addOne(left)
				<-never
				handle <- struct{}{}
			}()
		} else {
			go func() {
				addOne(left)
				<-never
			}()
		}
		if left%parkedAtOnce == 0 {
			untilCounted(goal - left + 1)
		}
	}
	untilCounted(goal)
}

func several(yields int) {
	for i := 0; i < yields; i++ {
		runtime.Gosched()
	}
}

func share(all, task int) int {
	return (all + yieldingTasks - 1 - task) / yieldingTasks
}

func each(yields int) {
	var tasks []chan struct{}
	for task := 0; task < yieldingTasks; task++ {
		handle := make(chan struct{}, 1)
		tasks = append(tasks, handle)
		go func() {
			several(share(yields, task))
			handle <- struct{}{}
		}()
	}
	for _, handle := range tasks {
		<-handle
	}
}

// Starts a goroutine, and gives the handle of its result.
func start(work func() int) <-chan int {
	handle := make(chan int, 1)
	go func() { handle <- work() }()
	return handle
}

func fib(n int) int {
	if n < 2 {
		return n
	}
	one := start(func() int { return fib(n - 1) })
	other := start(func() int { return fib(n - 2) })
	return <-one + <-other
}

func recursion(n int) {
	a, b := 0, 1
	for i := 0; i < n; i++ {
		a, b = b, a+b
	}
	check(<-start(func() int { return fib(n) }) == a)
}

func node(first, leaves int) int {
	if leaves == 1 {
		return first
	}
	step := leaves / children
	var handles [children]<-chan int
	for child := range handles {
		handles[child] = start(func() int { return node(first+child*step, step) })
	}
	total := 0
	for _, handle := range handles {
		total += <-handle
	}
	return total
}

func skynet(leaves int) {
	check(<-start(func() int { return node(0, leaves) }) == leaves*(leaves-1)/2)
}

func pingPong(rounds int) {
	court := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		for i := 0; i < rounds; i++ {
			<-court
			court <- struct{}{}
		}
		ended <- struct{}{}
	}()
	go func() {
		for i := 0; i < rounds; i++ {
			court <- struct{}{}
			<-court
		}
		ended <- struct{}{}
	}()
	<-ended
	<-ended
}

func fanIn(signals int) {
	var come atomic.Int64
	wake := make(chan struct{}, 1)
	ended := make(chan struct{})
	go func() {
		for int(come.Load()) != signals {
			<-wake
		}
		ended <- struct{}{}
	}()
	for task := 0; task < yieldingTasks; task++ {
		go func() {
			for i := share(signals, task); i > 0; i-- {
				come.Add(1)
				select {
				case wake <- struct{}{}:
				default:
				}
				runtime.Gosched()
			}
		}()
	}
	<-ended
}

func sleeps(tasks int) {
	goal := sum() + tasks
	for i := 0; i < tasks; i++ {
		go func() {
			time.Sleep(time.Duration(1+i%sleepLongest) * time.Millisecond)
			addOne(i)
		}()
	}
	for sum() != goal {
		time.Sleep(time.Millisecond)
	}
}

func sleeping(tasks int) {
	goal := sum() + tasks
	for left := tasks; left > 0; left-- {
		go func() {
			addOne(left)
			time.Sleep(sleepLong)
		}()
		if left%parkedAtOnce == 0 {
			untilCounted(goal - left + 1)
		}
	}
	untilCounted(goal)
}

// Made of time.AfterFunc, since one that has a channel is not taken note of before somebody waits for that.
func timers(times int) {
	for left := times - 1; left >= 0; left-- {
		time.AfterFunc(time.Duration(1+left%timerLongest)*time.Millisecond, func() {}).Stop()
		if left%timersAtOnce == 0 {
			runtime.Gosched()
		}
	}
}

func check(isRight bool) {
	if !isRight {
		panic("the coroutines do not add up")
	}
}

func works(size int) map[string]func() {
	return map[string]func(){
		"empty-detached":  func() { detached(size) },
		"empty-joined":    func() { joined(size) },
		"busy-detached":   func() { busy(size) },
		"parked-detached": func() { parked(size, false) },
		"parked-joined":   func() { kept = make([]chan struct{}, 0, size); parked(size, true) },
		"yield-one":       func() { several(size) },
		"yield-each":      func() { each(size) },
		"fib":             func() { recursion(size) },
		"skynet":          func() { skynet(size) },
		"pingpong":        func() { pingPong(size) },
		"fan-in":          func() { fanIn(size) },
		"sleeps-cpu":      func() { sleeps(size) },
		"sleeps-bytes":    func() { sleeping(size) },
		"timer":           func() { timers(size) },
	}
}

// A time that passes: on the clock, or on the processor.
type meter func() time.Duration

var started = time.Now()

func clock() time.Duration { return time.Since(started) }

// User and system time of the process.
func processor() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// Runs it as a goroutine, and blocks the first one.
func repeat(work func(), meter meter) time.Duration {
	took := make(chan time.Duration)
	go func() {
		begun := meter()
		work()
		took <- meter() - begun
	}()
	return <-took
}

func residentBytes() int {
	text, err := os.ReadFile("/proc/self/smaps_rollup")
	if err != nil {
		panic(err)
	}
	for _, line := range strings.Split(string(text), "\n") {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "Rss:" {
			kib, _ := strconv.Atoi(fields[1])
			return kib * 1024
		}
	}
	panic("the kernel does not tell Rss")
}

func weigh(work func()) []float64 {
	before := residentBytes()
	repeat(work, clock)
	time.Sleep(settleParked)
	return []float64{float64(max(0, residentBytes()-before))}
}

func measure(work func(), meter meter, warmUps, repetitions int) []float64 {
	for i := 0; i < warmUps; i++ {
		repeat(work, meter)
	}
	begun := time.Now()
	var figures []float64
	for len(figures) < repetitions && (len(figures) == 0 || time.Since(begun) < enough) {
		figures = append(figures, repeat(work, meter).Seconds())
	}
	return figures
}

// As measure, and the processor time of each repetition.
func costs(work func(), warmUps, repetitions int) (figures, cpu []float64) {
	for i := 0; i < warmUps; i++ {
		repeat(work, clock)
	}
	begun := time.Now()
	for len(figures) < repetitions && (len(figures) == 0 || time.Since(begun) < enough) {
		before := processor()
		figures = append(figures, repeat(work, clock).Seconds())
		cpu = append(cpu, (processor() - before).Seconds())
	}
	return figures, cpu
}

func answer(key string, value any) {
	answers(map[string]any{key: value})
}

func answers(values map[string]any) {
	line, err := json.Marshal(values)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(line))
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == writerWord {
		write()
		return
	}
	if len(os.Args) != 6 {
		fmt.Fprintln(os.Stderr, "expected WORK WORKERS SIZE WARM_UPS REPETITIONS")
		os.Exit(2)
	}
	var numbers [4]int
	for i, word := range os.Args[2:] {
		number, err := strconv.Atoi(word)
		if err != nil {
			fmt.Fprintf(os.Stderr, "'%s' is no number\n", word)
			os.Exit(2)
		}
		numbers[i] = number
	}
	name, workers, size := os.Args[1], numbers[0], numbers[1]
	runtime.GOMAXPROCS(workers)
	if serve(name) {
		return
	}
	work, exists := works(size)[name]
	if !exists {
		work, exists = copies(size)[name]
	}
	if !exists {
		work, exists = coordinations(size)[name]
	}
	samples, isLatency := latencies(workers, numbers[2]+numbers[3])[name]
	switch {
	case name == "empty-outside":
		answer("cannot", "there is no thread outside")
	case name == "broadcast" || name == "watch":
		answer("cannot", "it has no such channel")
	case isLatency:
		time.Sleep(settle)
		answer("figures", samples()[numbers[2]:])
	case !exists:
		fmt.Fprintf(os.Stderr, "there is no work '%s'\n", name)
		os.Exit(2)
	case strings.HasPrefix(name, "parked") || name == "sleeps-bytes":
		time.Sleep(settle)
		answer("figures", weigh(work))
	case name == "sleeps-cpu":
		time.Sleep(settle)
		answer("figures", measure(work, processor, numbers[2], numbers[3]))
	case strings.HasPrefix(name, "copy-"):
		time.Sleep(settle)
		figures, cpu := costs(work, numbers[2], numbers[3])
		answers(map[string]any{"figures": figures, "cpu": cpu})
	default:
		time.Sleep(settle)
		answer("figures", measure(work, clock, numbers[2], numbers[3]))
	}
}
