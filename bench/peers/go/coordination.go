// What does Go have for goroutines to coordinate with? Channels, and package sync.
//
// The shape is that of bench/workloads/coordination. A channel without bound does not exist: it has room for all messages instead.
package main

import (
	"sync"
)

const (
	sharing      = 4
	sharedRoom   = 128
	permits      = 2
	writeOneIn   = 10
	rigs         = 61
	pins         = 13
	endOfPinball = ^uint64(0)
)

func part(all, task, tasks int) int {
	return (all + tasks - 1 - task) / tasks
}

func send(messages chan<- int, count int) {
	for message := 0; message < count; message++ {
		messages <- message
	}
}

// Closes the channel when so many senders are done.
func senders(count, all int, messages chan int) {
	var group sync.WaitGroup
	for task := 0; task < count; task++ {
		group.Add(1)
		go func() {
			send(messages, part(all, task, count))
			group.Done()
		}()
	}
	go func() {
		group.Wait()
		close(messages)
	}()
}

func receive(messages <-chan int) int {
	count := 0
	for range messages {
		count++
	}
	return count
}

func mpsc(count, room, all int) {
	messages := make(chan int, room)
	senders(count, all, messages)
	check(receive(messages) == all)
}

func mpmc(all int) {
	messages := make(chan int, sharedRoom)
	senders(sharing, all, messages)
	var handles []<-chan int
	for task := 0; task < sharing; task++ {
		handles = append(handles, start(func() int { return receive(messages) }))
	}
	received := 0
	for _, handle := range handles {
		received += <-handle
	}
	check(received == all)
}

func oneshotAlone(all int) {
	for value := 0; value < all; value++ {
		once := make(chan int, 1)
		once <- value
		check(<-once == value)
	}
}

type question struct {
	number int
	answer chan<- int
}

func oneshotReply(all int) {
	questions := make(chan question, sharedRoom)
	ended := make(chan struct{})
	go func() {
		for asked := range questions {
			asked.answer <- asked.number + 1
		}
		ended <- struct{}{}
	}()
	for number := 0; number < all; number++ {
		answer := make(chan int, 1)
		questions <- question{number, answer}
		check(<-answer == number+1)
	}
	close(questions)
	<-ended
}

func pingPongChannels(rounds int) {
	there, back := make(chan int, 1), make(chan int, 1)
	ended := make(chan struct{})
	go func() {
		for number := range there {
			back <- number + 1
		}
		ended <- struct{}{}
	}()
	for round := 0; round < rounds; round++ {
		there <- round
		check(<-back == round+1)
	}
	close(there)
	<-ended
}

// Each of so many goroutines does its part of them all; the parts are numbered.
func together(tasks, all int, work func(times int)) {
	var group sync.WaitGroup
	for task := 0; task < tasks; task++ {
		group.Add(1)
		go func() {
			work(part(all, task, tasks))
			group.Done()
		}()
	}
	group.Wait()
}

func mutex(tasks, all int) {
	var lock sync.Mutex
	locked := 0
	together(tasks, all, func(times int) {
		for time := 0; time < times; time++ {
			lock.Lock()
			locked++
			lock.Unlock()
		}
	})
	check(locked == all)
}

func rwlock(all int) {
	var lock sync.RWMutex
	written := 0
	together(sharing, all, func(times int) {
		seen := 0
		for time := 0; time < times; time++ {
			if time%writeOneIn == 0 {
				lock.Lock()
				written++
				lock.Unlock()
			} else {
				lock.RLock()
				seen = written
				lock.RUnlock()
			}
		}
		check(seen <= all)
	})
}

func semaphore(all int) {
	taken := make(chan struct{}, permits)
	together(sharing, all, func(times int) {
		for time := 0; time < times; time++ {
			taken <- struct{}{}
			<-taken
		}
	})
}

func joinSet(tasks int) {
	outputs := make(chan int, sharedRoom)
	for task := 0; task < tasks; task++ {
		go func() { outputs <- task }()
	}
	sum := 0
	for task := 0; task < tasks; task++ {
		sum += <-outputs
	}
	check(sum == tasks*(tasks-1)/2)
}

func scope(tasks int) {
	var group sync.WaitGroup
	for task := 0; task < tasks; task++ {
		group.Add(1)
		go group.Done()
	}
	group.Wait()
}

func funnel(room, all int) {
	var handles []<-chan int
	for rig := 0; rig < rigs; rig++ {
		messages := make(chan int, room)
		senders(pins, part(all, rig, rigs), messages)
		handles = append(handles, start(func() int { return receive(messages) }))
	}
	for rig, handle := range handles {
		check(<-handle == part(all, rig, rigs))
	}
}

func pinball(balls, all int) {
	visits := uint64(max(1, all/(rigs*balls)))
	done := make(chan struct{}, rigs*balls)
	var ends []chan uint64
	var group sync.WaitGroup
	for rig := 0; rig < rigs; rig++ {
		var channels [pins]chan uint64
		for pin := range channels {
			// One more than the balls, for the word to end.
			channels[pin] = make(chan uint64, balls+1)
		}
		for pin := range channels {
			group.Add(1)
			go func() {
				passOn(pin, &channels, done)
				group.Done()
			}()
		}
		for ball := 0; ball < balls; ball++ {
			channels[ball%pins] <- visits
		}
		ends = append(ends, channels[:]...)
	}
	for ball := 0; ball < rigs*balls; ball++ {
		<-done
	}
	for _, pin := range ends {
		pin <- endOfPinball
	}
	group.Wait()
}

func passOn(pin int, channels *[pins]chan uint64, done chan<- struct{}) {
	random := uint64(pin) + 1
	for {
		switch visits := <-channels[pin]; visits {
		case endOfPinball:
			return
		case 0:
			done <- struct{}{}
		default:
			random ^= random << 13
			random ^= random >> 7
			random ^= random << 17
			step := 1 + int(random>>33)%(pins-1)
			channels[(pin+step)%pins] <- visits - 1
		}
	}
}

// By the words of bench/common.
func coordinations(size int) map[string]func() {
	return map[string]func(){
		"mpsc-1-room-1":     func() { mpsc(1, 1, size) },
		"mpsc-1-room-128":   func() { mpsc(1, 128, size) },
		"mpsc-1-unbounded":  func() { mpsc(1, size, size) },
		"mpsc-4-room-1":     func() { mpsc(4, 1, size) },
		"mpsc-4-room-128":   func() { mpsc(4, 128, size) },
		"mpsc-4-unbounded":  func() { mpsc(4, size, size) },
		"mpmc":              func() { mpmc(size) },
		"oneshot-alone":     func() { oneshotAlone(size) },
		"oneshot-reply":     func() { oneshotReply(size) },
		"pingpong-channels": func() { pingPongChannels(size) },
		"mutex-alone":       func() { mutex(1, size) },
		"mutex-shared":      func() { mutex(sharing, size) },
		"rwlock":            func() { rwlock(size) },
		"semaphore":         func() { semaphore(size) },
		"joinset":           func() { joinSet(size) },
		"scope":             func() { scope(size) },
		"funnel-1":          func() { funnel(1, size) },
		"funnel-10":         func() { funnel(10, size) },
		"funnel-100":        func() { funnel(100, size) },
		"pinball-1":         func() { pinball(1, size) },
		"pinball-10":        func() { pinball(10, size) },
		"pinball-100":       func() { pinball(100, size) },
	}
}
