// What do the comparison's HTTP servers answer, with Go's net/http?
//
// As its documentation would have it: a ServeMux with patterns, encoding/json, http.ServeFile. What is said on standard output and input is that of
// bench/common/src/serve.rs, what is asked that of bench/common/src/http.rs.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

const hello = "Hello, World!"

type greeting struct {
	Message string `json:"message"`
}

func main() {
	if len(os.Args) != 6 || !strings.HasPrefix(os.Args[1], "http-") {
		fmt.Println(`{"cannot":"it serves HTTP and nothing else"}`)
		return
	}
	workers, err := strconv.Atoi(os.Args[2])
	noError(err)
	runtime.GOMAXPROCS(workers)
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	noError(err)
	server := &http.Server{Handler: named(routes(os.Getenv("FILCH_BENCH_FOLDER")))}
	go func() { noError(server.Serve(listener)) }()
	fmt.Printf("{\"listening\":\"%s\"}\n", listener.Addr())
	// Nothing comes but its end.
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func routes(folder string) *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		text(w, hello)
	})
	mux.HandleFunc("GET /json", func(w http.ResponseWriter, r *http.Request) {
		body, err := json.Marshal(greeting{hello})
		noError(err)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body)
	})
	mux.HandleFunc("GET /fib/{n}", number(93, fib))
	mux.HandleFunc("GET /burn/{n}", number(45, burn))
	mux.HandleFunc("GET /static/{file}", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, filepath.Join(folder, filepath.Base(r.PathValue("file"))))
	})
	mux.HandleFunc("POST /echo", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", r.Header.Get("Content-Type"))
		if r.ContentLength >= 0 {
			w.Header().Set("Content-Length", strconv.FormatInt(r.ContentLength, 10))
		}
		// net/http reads what is left of a body before it writes an answer, unless it is told that both go on at once.
		_ = http.NewResponseController(w).EnableFullDuplex()
		_, _ = io.Copy(w, r.Body)
	})
	return mux
}

// net/http writes the date, and nobody the server.
func named(inner http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Server", "go")
		inner.ServeHTTP(w, r)
	})
}

func text(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Type", "text/plain")
	_, _ = io.WriteString(w, body)
}

func number(limit uint64, of func(uint64) uint64) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.ParseUint(r.PathValue("n"), 10, 64)
		if err != nil || n > limit {
			http.Error(w, "no number", http.StatusBadRequest)
			return
		}
		text(w, strconv.FormatUint(of(n), 10))
	}
}

func fib(n uint64) uint64 {
	a, b := uint64(0), uint64(1)
	for range n {
		a, b = b, a+b
	}
	return a
}

func burn(n uint64) uint64 {
	if n < 2 {
		return n
	}
	return burn(n-1) + burn(n-2)
}

func noError(err error) {
	if err != nil {
		panic(err)
	}
}
