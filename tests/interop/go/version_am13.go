//go:build am13

package main

import (
	"errors"
	"time"

	am "github.com/pancsta/asyncmachine-go/pkg/machine"
	"github.com/pancsta/asyncmachine-go/pkg/pubsub"
	"github.com/pancsta/asyncmachine-go/pkg/pubsub/states"
	"github.com/pancsta/asyncmachine-go/pkg/rpc"
)

const version = "v0.13.0"

type tracer struct {
	*am.NoOpTracer
	tell func(called am.S, accepted bool, args am.A)
}

func (t *tracer) TransitionEnd(tx *am.Transition) {
	t.tell(tx.CalledStates(), tx.IsAccepted.Load(), tx.Args())
}

func watch(mach *am.Machine, tell func(called am.S, accepted bool, args am.A)) error {
	return mach.BindTracer(&tracer{tell: tell})
}

func active(mach *am.Machine) am.S {
	return mach.ActiveStates()
}

func list(topic *pubsub.Topic, peerId string) ([]listed, error) {
	ch := make(chan []*rpc.Worker, 1)
	topic.Mach.Add1(states.TopicStates.ListMachines, pubsub.Pass(&pubsub.A{
		WorkersCh: ch, ListFilters: &pubsub.ListFilters{PeerId: peerId},
	}))
	select {
	case workers := <-ch:
		ret := make([]listed, len(workers))
		for i, w := range workers {
			ret[i] = listed{w.Id(), w.Schema(), w.StateNames(), w.Tags(), w.Time(nil), w.ActiveStates()}
		}
		return ret, nil
	case <-time.After(answerTime):
		return nil, errors.New("ListMachines gave no answer")
	}
}
