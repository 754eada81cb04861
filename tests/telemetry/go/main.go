// A Go program that tells a debugger of a machine, and the server half of the real am-dbg without its screen.
//
//	telemetry tell HOST:PORT    a machine makes transitions; each is printed as one JSON line
//	telemetry serve HOST:PORT   am-dbg's own server package; what it hears is printed, one JSON line each
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	am "github.com/pancsta/asyncmachine-go/pkg/machine"
	"github.com/pancsta/asyncmachine-go/pkg/telemetry/dbg"
	"github.com/pancsta/asyncmachine-go/tools/debugger/server"
	"github.com/pancsta/asyncmachine-go/tools/debugger/types"
)

func show(value any) {
	line, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(line))
}

type ears struct{}

func (ears) ConnectEventState(e *am.Event) {
	show(map[string]any{"schema": e.Args["msg_struct"]})
}

func (ears) DisconnectEventState(e *am.Event) {
	show(map[string]any{"gone": true})
}

func (ears) ClientMsgState(e *am.Event) {
	for _, tx := range e.Args["msgs_tx"].([]*dbg.DbgMsgTx) {
		show(map[string]any{"record": tx})
	}
}

func serve(address string) {
	schema := am.Schema{"ConnectEvent": {Multi: true}, "DisconnectEvent": {Multi: true}, "ClientMsg": {Multi: true}}
	machine := am.New(context.Background(), schema, &am.Opts{Id: "ears"})
	if err := machine.BindHandlers(&ears{}); err != nil {
		panic(err)
	}
	go server.StartRpc(machine, address, nil, types.Params{})
	time.Sleep(time.Minute)
}

type plant struct{}

func (plant) StartState(e *am.Event) { e.Machine().Add1("Warm", am.A{"by": "start"}) }

func (plant) ColdEnter(e *am.Event) bool { return false }

func tell(address string) {
	schema := am.Schema{
		"Start": {Add: am.S{"Power"}}, "Power": {}, "Warm": {Require: am.S{"Start"}, Remove: am.S{"Cold"}},
		"Cold": {Remove: am.S{"Warm"}}, "Blink": {Multi: true}, "Ready": {Auto: true, Require: am.S{"Warm"}},
	}
	machine := am.New(context.Background(), schema, &am.Opts{Id: "plant", Tags: []string{"site:north"}})
	machine.VerifyStates(am.S{"Start", "Power", "Warm", "Cold", "Blink", "Ready", am.StateException})
	machine.SemLogger().SetLevel(am.LogOps)
	machine.SemLogger().EnableSteps(true)
	if err := machine.BindHandlers(&plant{}); err != nil {
		panic(err)
	}
	if err := dbg.TransitionsToDbg(machine, address); err != nil {
		panic(err)
	}
	machine.Add1("Start", nil)
	machine.Add1("Cold", nil)
	for range 40 {
		machine.Add1("Blink", nil)
	}
	machine.Remove1("Power", nil)
	show(map[string]any{"clock": machine.Time(nil)})
	time.Sleep(time.Second)
	machine.Dispose()
	time.Sleep(300 * time.Millisecond)
}

func main() {
	switch os.Args[1] {
	case "tell":
		tell(os.Args[2])
	case "serve":
		serve(os.Args[2])
	}
}
