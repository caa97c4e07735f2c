package app_test

import (
	"bytes"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Events that a trap sees beside the operations of a CRM.
const (
	answered = "an answer arrives" // and nobody has read it
	changed  = "a file changes"
)

// trap kills a program when a chosen event happens. Whoever reports an event
// goes on when the program is dead.
type trap struct {
	kill  func()
	armed atomic.Pointer[armedTrap]
}

type armedTrap struct {
	when   func(event string) bool
	sprung chan struct{}
}

// set makes the next event that when chooses kill the program; then sprung is
// closed.
func (tr *trap) set(when func(event string) bool) (sprung <-chan struct{}) {
	a := &armedTrap{when, make(chan struct{})}
	tr.armed.Store(a)
	return a.sprung
}

// passes reports an event, and returns whether it killed the program.
func (tr *trap) passes(event string) bool {
	a := tr.armed.Load()
	if a == nil || !a.when(event) || !tr.armed.CompareAndSwap(a, nil) {
		return false
	}
	tr.kill()
	close(a.sprung)
	return true
}

// startAnswerProxy stands between the sender and the program at addr, and lets
// the trap know of every 204 before the sender does. An answer that kills the
// program is lost.
func startAnswerProxy(t *testing.T, addr string, tr *trap) (own string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var relays sync.WaitGroup
	relays.Go(func() {
		for {
			sender, err := listener.Accept()
			if err != nil {
				return
			}
			relays.Go(func() { relay(sender, addr, tr) })
		}
	})
	t.Cleanup(func() { listener.Close(); relays.Wait() })
	return listener.Addr().String()
}

// relay carries one connection until one side ends it.
func relay(sender net.Conn, addr string, tr *trap) {
	defer sender.Close()
	program, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return
	}
	defer program.Close()
	var up sync.WaitGroup
	defer up.Wait()
	defer sender.Close()
	up.Go(func() { _, _ = io.Copy(program, sender); program.Close() })
	answer := make([]byte, 4<<10)
	for {
		n, err := program.Read(answer)
		if n > 0 && bytes.Contains(answer[:n], []byte("HTTP/1.1 204")) && tr.passes(answered) {
			return
		}
		if _, writeErr := sender.Write(answer[:n]); err != nil || writeErr != nil {
			return
		}
	}
}
