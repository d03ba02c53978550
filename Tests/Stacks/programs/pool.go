package main

import (
	"os"
	"sync"
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

func main() {
	p := &pool{free: make(chan int)}
	go func() { p.checkout() }()
	f := os.NewFile(uintptr(0), "stdin")
	serve(f)
}
