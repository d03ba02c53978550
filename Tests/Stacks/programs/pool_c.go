package main

/*
#include <unistd.h>
__attribute__((noinline)) static int c_waits(void) { return pause() + 1; }
*/
import "C"

//go:noinline
func intoC() int { return int(C.c_waits()) + 1 }
