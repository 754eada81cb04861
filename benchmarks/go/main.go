// Times asyncmachine-go on the machines of benchmarks/workloads.py: nanoseconds of CPU time per mutation, one line a workload.
package main

import (
	"fmt"
	"syscall"

	am "github.com/pancsta/asyncmachine-go/pkg/machine"
)

type handlers struct{}

func (h *handlers) AEnter(e *am.Event) bool { return true }
func (h *handlers) AState(e *am.Event)      {}
func (h *handlers) AEnd(e *am.Event)        {}
func (h *handlers) BEnter(e *am.Event) bool { return true }
func (h *handlers) BState(e *am.Event)      {}

func cpu() int64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}

func best(name string, pairs int, run func()) {
	for i := 0; i < 200; i++ {
		run()
	}
	for round := 0; round < 5; round++ {
		start := cpu()
		for i := 0; i < pairs; i++ {
			run()
		}
		fmt.Printf("%s %d\n", name, (cpu()-start)/int64(2*pairs))
	}
}

func main() {
	one := am.New(nil, am.Schema{"A": {}, "B": {}}, nil)
	best("w1", 5000, func() { one.Add1("A", nil); one.Remove1("A", nil) })

	two := am.New(nil, am.Schema{"A": {Remove: am.S{"B"}}, "B": {Remove: am.S{"A"}}}, nil)
	if err := two.BindHandlers(&handlers{}); err != nil {
		panic(err)
	}
	best("w2", 5000, func() { two.Add1("A", nil); two.Add1("B", nil) })

	schema := am.Schema{}
	name := func(i int) string { return fmt.Sprintf("S%02d", i) }
	for i := 0; i < 30; i++ {
		state := am.State{}
		switch i % 3 {
		case 1:
			state.Require = am.S{name(i - 1)}
			state.Auto = i%2 == 0
		case 2:
			state.Remove = am.S{name(i - 2)}
			if i+3 < 30 {
				state.Add = am.S{name(i + 3)}
			}
		}
		schema[name(i)] = state
	}
	three := am.New(nil, schema, nil)
	three.Add(am.S{"S00", "S03", "S06", "S09", "S12"}, nil)
	best("w3", 2000, func() { three.Add1("S15", nil); three.Remove1("S15", nil) })
}
