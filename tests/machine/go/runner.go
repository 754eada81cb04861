// Runs scenarios on asyncmachine-go v0.18.0: one JSON object a line in, one a line out, with what stood after each
// operation. See tests/machine/go_scenarios.py for what a scenario is.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	am "github.com/pancsta/asyncmachine-go/pkg/machine"
)

type state struct {
	Auto, Multi                 bool
	Require, Add, Remove, After []string
}

type turn struct {
	Answer bool     `json:"answer"`
	Panic  bool     `json:"panic"`
	Change []string `json:"change"`
}

type operation struct {
	Kind   string   `json:"kind"`
	States []string `json:"states"`
	Number int      `json:"number"`
}

type scenario struct {
	States   []string          `json:"states"`
	Schema   map[string]state  `json:"schema"`
	Handlers map[string][]turn `json:"handlers"`
	Limit    uint16            `json:"limit"`
	Ops      []operation       `json:"ops"`
}

type moment struct {
	Result    int      `json:"result"`
	Clock     []uint64 `json:"clock"`
	Active    []string `json:"active"`
	Calls     []string `json:"calls"`
	QueueTick uint64   `json:"queue_tick"`
	QueueLen  int      `json:"queue_len"`
	Done      []int    `json:"done"`
	Err       string   `json:"err"`
}

type player struct {
	mach    *am.Machine
	calls   []string
	left    int
	waits   []<-chan struct{}
	moments []moment
}

func (p *player) change(kind string, states []string, args am.A) int {
	switch kind {
	case "add":
		return int(p.mach.Add(states, args))
	case "remove":
		return int(p.mach.Remove(states, args))
	case "set":
		return int(p.mach.Set(states, args))
	case "can_add":
		return int(p.mach.CanAdd(states, args))
	case "can_remove":
		return int(p.mach.CanRemove(states, args))
	}
	panic("unknown kind " + kind)
}

func (p *player) handle(name string, turns []turn) func(e *am.Event) bool {
	count := 0
	return func(e *am.Event) bool {
		now := turns[count%len(turns)]
		count++
		p.calls = append(p.calls, name)
		if len(now.Change) > 0 && p.left > 0 {
			p.left--
			result := p.change(now.Change[0], now.Change[1:], nil)
			p.calls = append(p.calls, fmt.Sprintf("%s=%d", strings.Join(now.Change, " "), result))
		}
		if now.Panic && p.left > 0 && !slices.Contains(e.Transition().CalledStates(), "Exception") {
			p.left--
			panic("by " + name)
		}
		return now.Answer
	}
}

func (p *player) bind(handlers map[string][]turn) {
	fields := []reflect.StructField{}
	values := []reflect.Value{}
	for name, turns := range handlers {
		handler := p.handle(name, turns)
		var value reflect.Value
		if strings.HasSuffix(name, "State") || strings.HasSuffix(name, "End") {
			value = reflect.ValueOf(am.HandlerFinal(func(e *am.Event) { handler(e) }))
		} else {
			value = reflect.ValueOf(am.HandlerNegotiation(handler))
		}
		fields = append(fields, reflect.StructField{Name: name, Type: value.Type()})
		values = append(values, value)
	}
	made := reflect.New(reflect.StructOf(fields))
	for i, value := range values {
		made.Elem().Field(i).Set(value)
	}
	if err := p.mach.BindHandlers(made.Interface()); err != nil {
		panic(err)
	}
}

func (p *player) run(op operation) int {
	m := p.mach
	switch op.Kind {
	case "when":
		p.waits = append(p.waits, m.When(op.States, nil))
	case "when_not":
		p.waits = append(p.waits, m.WhenNot(op.States, nil))
	case "when_ticks":
		name := op.States[0]
		p.waits = append(p.waits, m.WhenTime(am.S{name}, am.Time{m.Tick(name) + uint64(op.Number)}, nil))
	case "when_args":
		p.waits = append(p.waits, m.WhenArgs(op.States[0], am.A{"n": op.Number}, nil))
	case "when_queue":
		p.waits = append(p.waits, m.WhenQueue(am.Result(m.QueueTick()+uint64(op.Number))))
	default:
		var args am.A
		if op.Number > 0 {
			args = am.A{"n": op.Number}
		}
		return p.change(op.Kind, op.States, args)
	}
	return -1
}

func (p *player) look(result int) {
	now := moment{Result: result, Calls: p.calls, Done: []int{}, Clock: []uint64{}, Active: p.mach.ActiveStates(nil)}
	p.calls = nil
	for _, tick := range p.mach.Time(nil) {
		now.Clock = append(now.Clock, uint64(tick))
	}
	now.QueueTick = p.mach.QueueTick()
	now.QueueLen = int(p.mach.QueueLen())
	for i, wait := range p.waits {
		select {
		case <-wait:
			now.Done = append(now.Done, i)
		default:
		}
	}
	if err := p.mach.Err(); err != nil {
		now.Err = err.Error()
	}
	p.moments = append(p.moments, now)
}

func (p *player) play(s *scenario, end chan string) {
	defer func() {
		if crash := recover(); crash != nil {
			end <- fmt.Sprint("crash: ", crash)
		}
	}()
	schema := am.Schema{}
	for name, each := range s.Schema {
		schema[name] = am.State{Auto: each.Auto, Multi: each.Multi, Require: each.Require, Add: each.Add, Remove: each.Remove, After: each.After}
	}
	p.mach = am.New(nil, schema, &am.Opts{Id: "m", DontLogStackTrace: true, HandlerTimeout: time.Minute, QueueLimit: s.Limit})
	if err := p.mach.VerifyStates(s.States); err != nil {
		panic(err)
	}
	if len(s.Handlers) > 0 {
		p.bind(s.Handlers)
	}
	for _, op := range s.Ops {
		p.look(p.run(op))
	}
	end <- ""
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	out := bufio.NewWriter(os.Stdout)
	for lines.Scan() {
		var s scenario
		if err := json.Unmarshal(lines.Bytes(), &s); err != nil {
			panic(err)
		}
		p := &player{left: 30}
		end := make(chan string, 1)
		go p.play(&s, end)
		stopped := ""
		select {
		case stopped = <-end:
		case <-time.After(5 * time.Second):
			stopped = "hang"
		}
		moments := p.moments
		data, err := json.Marshal(map[string]any{"moments": moments, "stopped": stopped})
		if err != nil {
			panic(err)
		}
		out.Write(append(data, '\n'))
		out.Flush()
	}
}
