// Hangs goroutines in functions of known names: `where-go MODE FOLDER` says where it is in one line of JSON, and waits.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

var ends [2]int

//go:noinline
func readNothing() int {
	bytes := make([]byte, 1)
	count, _ := syscall.Read(ends[0], bytes)
	return count + 1
}

//go:noinline
func goDeeper(steps int) int {
	if steps > 0 {
		return goDeeper(steps-1) + 1
	}
	return readNothing() + 1
}

//go:noinline
func lockFile(path string) int {
	first, _ := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0600)
	second, _ := os.OpenFile(path, os.O_RDWR, 0600)
	syscall.Flock(int(first.Fd()), syscall.LOCK_EX)
	syscall.Flock(int(second.Fd()), syscall.LOCK_EX)
	return 1
}

//go:noinline
func checkout(free chan int) int { return <-free + 1 }

// Says which thread the calling goroutine has, and keeps.
func say() {
	runtime.LockOSThread()
	fmt.Printf("{\"pid\":%d,\"tid\":%d}\n", os.Getpid(), syscall.Gettid())
}

func main() {
	syscall.Pipe(ends[:])
	done := make(chan int)
	go func() {
		switch os.Args[1] {
		case "deep":
			say()
			goDeeper(3)
		case "flock":
			say()
			lockFile(filepath.Join(os.Args[2], "lock"))
		case "cgo":
			say()
			intoC()
		case "channel":
			// on a thread that is bound to it: any other would go on without it
			say()
			checkout(make(chan int))
		}
		done <- 1
	}()
	<-done
}
