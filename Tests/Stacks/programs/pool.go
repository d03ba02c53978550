package main

import (
	"os"
	"sync"
	"syscall"
)

type pool struct {
	lock sync.Mutex
	free chan int
}

//go:noinline
func (p *pool) checkout() int { return <-p.free }

//go:noinline
func serve(f *os.File) int {
	b := make([]byte, 1)
	n, _ := f.Read(b)
	return n + 1
}

//go:noinline
func lockFile(path string) int {
	first, _ := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0600)
	second, _ := os.OpenFile(path, os.O_RDWR, 0600)
	syscall.Flock(int(first.Fd()), syscall.LOCK_EX)
	if syscall.Flock(int(second.Fd()), syscall.LOCK_EX) != nil {
		return 1
	}
	return 2
}

func main() {
	p := &pool{free: make(chan int)}
	go func() { p.checkout() }()
	go func() { p.lock.Lock(); p.lock.Lock() }()
	go func() { lockFile(os.Args[1]) }()
	go func() { intoC() }()
	f := os.NewFile(uintptr(0), "stdin")
	serve(f)
}
