package app_test

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Events that a trap sees beside the operations of a CRM.
const (
	answered = "an acceptance arrives" // and the sender has not read it
	copied   = "a part of the state arrives"
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
// closed. Events may happen at the same time.
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

// relay stands in front of a program and looks at what it answers.
type relay struct {
	network, addr string                   // of the program
	arrives       func(answer []byte) bool // before the client has it; true loses it, and the connection
}

// serve carries connections until t ends.
func (r relay) serve(t *testing.T, listener net.Listener) {
	var connections sync.WaitGroup
	connections.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			connections.Go(func() { r.carry(client) })
		}
	})
	t.Cleanup(func() { listener.Close(); connections.Wait() })
}

// carry carries one connection until one side ends it.
func (r relay) carry(client net.Conn) {
	var up sync.WaitGroup
	defer up.Wait()
	defer client.Close()
	program, err := net.DialTimeout(r.network, r.addr, time.Second)
	if err != nil {
		return
	}
	up.Go(func() { _, _ = io.Copy(program, client); program.Close() })
	defer program.Close()
	answer := make([]byte, 4<<10)
	for {
		n, err := program.Read(answer)
		if n > 0 && r.arrives(answer[:n]) {
			return
		}
		if _, writeErr := client.Write(answer[:n]); err != nil || writeErr != nil {
			return
		}
	}
}

func listen(t *testing.T, network, addr string) net.Listener {
	t.Helper()
	listener, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	return listener
}
