// Runs the random work of benchmarks/random_work.py on asyncmachine-go: reads the workloads from a file, then names
// from its input, one a line; answers each with nanoseconds of CPU time (user and system) per mutation and the sum of
// all clocks at the end, as JSON.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"syscall"
	"time"

	am "github.com/pancsta/asyncmachine-go/pkg/machine"
)

type state struct {
	Auto, Multi                 bool
	Require, Add, Remove, After []string
}

type workload struct {
	Name      string
	States    []string
	Schema    map[string]state
	Machines  int
	Handlers  []string
	Chain     []string
	Steps     bool
	Tracer    bool
	Whens     [][]string
	Each      string
	Asked     [][]string
	Ops       [][]string
	Mutations int
}

type onlooker struct {
	*am.TracerNoOp
	seen int
}

func (o *onlooker) TransitionEnd(t *am.Transition) { o.seen += len(t.Steps) }

func cpu() int64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}

func handlers(work *workload) any {
	fields := []reflect.StructField{}
	final := reflect.TypeOf(am.HandlerFinal(nil))
	negotiation := reflect.TypeOf(am.HandlerNegotiation(nil))
	kind := func(name string) reflect.Type {
		if len(name) > 5 && name[len(name)-5:] == "Enter" {
			return negotiation
		}
		return final
	}
	names := append([]string{}, work.Handlers...)
	for i := range work.Chain {
		names = append(names, work.Chain[i]+"State")
	}
	for _, name := range names {
		fields = append(fields, reflect.StructField{Name: name, Type: kind(name)})
	}
	made := reflect.New(reflect.StructOf(fields))
	for i, name := range names {
		field := made.Elem().Field(i)
		if kind(name) == negotiation {
			field.Set(reflect.ValueOf(am.HandlerNegotiation(func(e *am.Event) bool { return true })))
			continue
		}
		next := ""
		for position, link := range work.Chain {
			if link+"State" == name && position+1 < len(work.Chain) {
				next = work.Chain[position+1]
			}
		}
		field.Set(reflect.ValueOf(am.HandlerFinal(func(e *am.Event) {
			if next != "" {
				e.Machine().Add1(next, nil)
			}
		})))
	}
	return made.Interface()
}

func run(work *workload) (int64, uint64) {
	schema := am.Schema{}
	for name, s := range work.Schema {
		schema[name] = am.State{Auto: s.Auto, Multi: s.Multi, Require: s.Require, Add: s.Add, Remove: s.Remove, After: s.After}
	}
	machines := make([]*am.Machine, work.Machines)
	runtime.GC()
	start := cpu()
	for i := range machines {
		mach := am.New(nil, schema, &am.Opts{Id: fmt.Sprint("m", i), DontLogStackTrace: true, HandlerTimeout: time.Minute})
		if err := mach.VerifyStates(work.States); err != nil {
			panic(err)
		}
		if len(work.Handlers)+len(work.Chain) > 0 {
			if err := mach.BindHandlers(handlers(work)); err != nil {
				panic(err)
			}
		}
		if work.Steps {
			mach.SemLogger().EnableSteps(true)
		}
		if work.Tracer {
			if err := mach.BindTracer(&onlooker{}); err != nil {
				panic(err)
			}
		}
		machines[i] = mach
	}
	for _, states := range work.Whens {
		machines[0].When(states, nil)
	}
	if work.Each == "when_args" {
		for i := 0; i < 200; i++ {
			machines[0].WhenArgs("M", am.A{"id": i}, nil)
		}
	}
	if work.Machines == 1 {
		start = cpu()
	}
	for i, op := range work.Ops {
		mach := machines[i%len(machines)]
		var args am.A
		switch work.Each {
		case "when":
			mach.When(work.Asked[i], nil)
		case "when_time":
			state := work.Asked[i][0]
			mach.WhenTime(am.S{state}, am.Time{mach.Tick(state) + 5}, nil)
		case "when_args":
			mach.WhenArgs("M", am.A{"id": i + 200}, nil)
			args = am.A{"id": i}
		}
		switch op[0] {
		case "add":
			mach.Add(am.S(op[1:]), args)
		case "remove":
			mach.Remove(am.S(op[1:]), args)
		default:
			mach.Set(am.S(op[1:]), args)
		}
	}
	took := cpu() - start
	var sum uint64
	for _, mach := range machines {
		for _, tick := range mach.Time(nil) {
			sum += uint64(tick)
		}
	}
	if len(machines) == 1 { // disposing takes Go 0.1 s each
		machines[0].DisposeForce()
	}
	return took / int64(work.Mutations), sum
}

func main() {
	data, err := os.ReadFile(os.Args[1])
	if err != nil {
		panic(err)
	}
	var list []workload
	if err := json.Unmarshal(data, &list); err != nil {
		panic(err)
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		for i := range list {
			if list[i].Name == lines.Text() {
				took, sum := run(&list[i])
				fmt.Printf("{\"nanoseconds\": %d, \"clocks\": %d}\n", took, sum)
			}
		}
	}
}
