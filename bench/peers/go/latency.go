// How long does a goroutine wait?
//
// The shape is that of bench/workloads/{roundtrip,stranded,timer_hog,readiness_hog}.rs. What Go makes different: it has no thread outside its
// scheduler. So the thread that is no worker is a goroutine that is locked to its thread in the one case, and in the other, where it would be the
// idle worker's work, a process of its own.
package main

import (
	"encoding/binary"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	idle       = time.Millisecond
	pause      = time.Millisecond
	settled    = 100 * time.Microsecond
	hogged     = 10 * time.Millisecond
	slept      = time.Millisecond
	writeAfter = 2 * time.Millisecond
	// Attempts in vain one after the other.
	attemptsMax = 50
	// The first word of the process that writes.
	writerWord = "writer"
)

func latencies(workers, samples int) map[string]func() []float64 {
	return map[string]func() []float64{
		"roundtrip-busy": func() []float64 { return outside(samples, 0) },
		"roundtrip-idle": func() []float64 { return outside(samples, idle) },
		"wake-hog":       func() []float64 { return repeated(samples, woken) },
		"spawn-hog":      func() []float64 { return repeated(samples, spawned) },
		"timer-hog":      func() []float64 { return timer(workers, samples) },
		"readiness-hog":  func() []float64 { return readiness(samples) },
	}
}

func spinFor(length time.Duration) {
	for begun := time.Now(); time.Since(begun) < length; {
	}
}

// So many samples one after the other, in seconds.
func repeated(samples int, sample func() time.Duration) []float64 {
	figures := make([]float64, 0, samples)
	for range samples {
		figures = append(figures, sample().Seconds())
	}
	return figures
}

func outside(samples int, idle time.Duration) []float64 {
	runtime.LockOSThread()
	return repeated(samples, func() time.Duration {
		if idle > 0 {
			time.Sleep(idle)
		}
		begun := time.Now()
		<-start(func() int { return 0 })
		return time.Since(begun)
	})
}

func woken() time.Duration {
	isThere := make(chan struct{})
	bell := make(chan time.Time, 1)
	late := make(chan time.Duration, 1)
	go func() {
		isThere <- struct{}{}
		late <- time.Since(<-bell)
	}()
	<-isThere
	// Within this time it waits for the bell, too.
	time.Sleep(pause)
	hog := make(chan struct{}, 1)
	go func() {
		spinFor(settled)
		bell <- time.Now()
		spinFor(hogged)
		hog <- struct{}{}
	}()
	<-hog
	return <-late
}

func spawned() time.Duration {
	time.Sleep(pause)
	late := make(chan time.Duration, 1)
	hog := make(chan struct{}, 1)
	go func() {
		spinFor(settled)
		begun := time.Now()
		go func() { late <- time.Since(begun) }()
		spinFor(hogged)
		hog <- struct{}{}
	}()
	<-hog
	return <-late
}

func timer(workers, samples int) []float64 {
	var isOver atomic.Bool
	hogs := make(chan struct{}, workers)
	for range workers {
		go func() {
			for !isOver.Load() {
				spinFor(hogged)
				runtime.Gosched()
			}
			hogs <- struct{}{}
		}()
	}
	figures := repeated(samples, func() time.Duration {
		due := time.Now().Add(slept)
		time.Sleep(slept)
		return max(0, time.Since(due))
	})
	isOver.Store(true)
	for range workers {
		<-hogs
	}
	return figures
}

func readiness(samples int) []float64 {
	program, err := os.Executable()
	noError(err)
	writer := exec.Command(program, writerWord)
	writer.Stderr = os.Stderr
	orders, err := writer.StdinPipe()
	noError(err)
	pipe, err := writer.StdoutPipe()
	noError(err)
	noError(writer.Start())
	figures := repeated(samples, func() time.Duration {
		for range attemptsMax {
			time.Sleep(pause)
			late := make(chan time.Duration, 1)
			go func() { late <- attempt(orders, pipe) }()
			if late := <-late; late >= 0 {
				return late
			}
		}
		panic("no hog ran where the reader waited")
	})
	noError(orders.Close())
	noError(writer.Wait())
	return figures
}

// From the write until the reader has what was written, or less than nothing if the hog ran on another thread than the reader.
func attempt(orders io.Writer, pipe io.Reader) time.Duration {
	spinFor(settled)
	here := syscall.Gettid()
	hog := make(chan int, 1)
	go func() {
		_, err := orders.Write([]byte{0})
		noError(err)
		spinFor(hogged)
		hog <- syscall.Gettid()
	}()
	var writtenAt [8]byte
	_, err := io.ReadFull(pipe, writtenAt[:])
	noError(err)
	// The clock on the wall, which both processes see.
	late := time.Now().UnixNano() - int64(binary.LittleEndian.Uint64(writtenAt[:]))
	if <-hog != here {
		return -1
	}
	return time.Duration(max(0, late))
}

// What the other process does: for each byte that it reads it writes the time, a while later.
func write() {
	order := make([]byte, 1)
	for {
		if _, err := os.Stdin.Read(order); err != nil {
			return
		}
		time.Sleep(writeAfter)
		now := binary.LittleEndian.AppendUint64(nil, uint64(time.Now().UnixNano()))
		_, err := os.Stdout.Write(now)
		noError(err)
	}
}

func noError(err error) {
	if err != nil {
		panic(err)
	}
}
