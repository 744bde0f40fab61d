// What do servers and copies do in Go?
//
// The shape is that of bench/workloads/network, and what is said on standard output and input is that of bench/common/src/serve.rs. Two streams
// are joined by two goroutines with io.Copy, which splices; a file is copied by io.Copy, too, which has the kernel do it, and in pieces by Read and Write.
package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
)

const (
	room      = 32 << 10
	idleRoom  = 64
	fileBytes = 1 << 20
	piece     = 64 << 10
)

// What a connection is given to, by the words of bench/common.
func handlers(behind string) map[string]func(*net.TCPConn) {
	echoing := func(stream *net.TCPConn) { echo(stream, make([]byte, room)) }
	idling := func(stream *net.TCPConn) { echo(stream, make([]byte, idleRoom)) }
	passing := func(stream *net.TCPConn) { passOnTo(stream, behind) }
	return map[string]func(*net.TCPConn){
		"echo-1-64":        echoing,
		"echo-64-64":       echoing,
		"echo-1000-64":     echoing,
		"echo-1-16k":       echoing,
		"echo-64-16k":      echoing,
		"echo-1000-16k":    echoing,
		"connect":          func(stream *net.TCPConn) { stream.Close() },
		"idle-connections": idling,
		"proxy-stream-1":   passing,
		"proxy-stream-16":  passing,
		"proxy-echo-64":    passing,
	}
}

// Whether it is a server's word; if it is, the process ends with its standard input.
func serve(name string) bool {
	input := bufio.NewReader(os.Stdin)
	behind := ""
	if strings.HasPrefix(name, "proxy-") {
		line, err := input.ReadString('\n')
		noError(err)
		behind = strings.TrimSpace(line)
	}
	var listening net.Addr
	if strings.HasPrefix(name, "udp-echo-") {
		socket, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		noError(err)
		listening = socket.LocalAddr()
		go datagrams(socket)
	} else {
		handle, exists := handlers(behind)[name]
		if !exists {
			return false
		}
		listener, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
		noError(err)
		listening = listener.Addr()
		go accept(listener, handle)
	}
	fmt.Printf("{\"listening\":\"%s\"}\n", listening)
	// Nothing more comes but its end.
	_, _ = io.Copy(io.Discard, input)
	os.Exit(0)
	return true
}

func accept(listener *net.TCPListener, handle func(*net.TCPConn)) {
	for {
		stream, err := listener.AcceptTCP()
		noError(err)
		// TCP_NODELAY is what Go sets by itself.
		go handle(stream)
	}
}

func echo(stream *net.TCPConn, room []byte) {
	defer stream.Close()
	for {
		bytes, err := stream.Read(room)
		if err != nil {
			return
		}
		if _, err := stream.Write(room[:bytes]); err != nil {
			return
		}
	}
}

func datagrams(socket *net.UDPConn) {
	room := make([]byte, room)
	for {
		// By the calls that allocate nothing.
		bytes, peer, err := socket.ReadFromUDPAddrPort(room)
		noError(err)
		_, err = socket.WriteToUDPAddrPort(room[:bytes], peer)
		noError(err)
	}
}

func passOnTo(stream *net.TCPConn, behind string) {
	connected, err := net.Dial("tcp4", behind)
	noError(err)
	upstream := connected.(*net.TCPConn)
	ended := make(chan struct{})
	go func() {
		pump(stream, upstream)
		close(ended)
	}()
	pump(upstream, stream)
	<-ended
	stream.Close()
	upstream.Close()
}

func pump(to, from *net.TCPConn) {
	_, _ = io.Copy(to, from)
	_ = to.CloseWrite()
}

// Copies of a file without a name, by the words of bench/common.
func copies(size int) map[string]func() {
	return map[string]func(){
		"copy-whole":  func() { copying(size, whole) },
		"copy-pieces": func() { copying(size, pieces) },
	}
}

var copied struct{ from, to *os.File }

func unnamed() *os.File {
	file, err := os.CreateTemp("/dev/shm", "filch-bench-*")
	if err != nil {
		file, err = os.CreateTemp("", "filch-bench-*")
	}
	noError(err)
	noError(os.Remove(file.Name()))
	return file
}

func copying(times int, copy func(to, from *os.File)) {
	if copied.from == nil {
		copied.from, copied.to = unnamed(), unnamed()
		_, err := copied.from.Write(make([]byte, fileBytes))
		noError(err)
	}
	for range times {
		from, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", copied.from.Fd()))
		noError(err)
		to, err := os.Create(fmt.Sprintf("/proc/self/fd/%d", copied.to.Fd()))
		noError(err)
		copy(to, from)
		noError(from.Close())
		noError(to.Close())
	}
	var status syscall.Stat_t
	noError(syscall.Fstat(int(copied.to.Fd()), &status))
	check(status.Size == fileBytes)
}

func whole(to, from *os.File) {
	_, err := io.Copy(to, from)
	noError(err)
}

func pieces(to, from *os.File) {
	room := make([]byte, piece)
	for {
		bytes, err := from.Read(room)
		if err == io.EOF {
			return
		}
		noError(err)
		_, err = to.Write(room[:bytes])
		noError(err)
	}
}
