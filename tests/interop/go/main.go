// Command gopeer is a real peer of asyncmachine-go's pkg/pubsub, driven over pipes by the tests.
//
// Commands come as JSON lines on stdin, each with a "seq" that its answer repeats; answers and events
// leave as JSON lines on stdout, the program's log on stderr. It ends when stdin ends.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	ma "github.com/multiformats/go-multiaddr"

	am "github.com/pancsta/asyncmachine-go/pkg/machine"
	"github.com/pancsta/asyncmachine-go/pkg/pubsub"
	"github.com/pancsta/asyncmachine-go/pkg/pubsub/states"
)

// answerTime bounds every wait for the peer's own machine.
const answerTime = 10 * time.Second

// exposed describes one machine of this peer.
type exposed struct {
	Id     string    `json:"id"`
	Schema am.Schema `json:"schema"`
	States am.S      `json:"states"`
	Tags   []string  `json:"tags"`
	Active am.S      `json:"active"`
}

// command is one line of stdin; fields not needed by a command stay empty.
type command struct {
	Seq      int       `json:"seq"`
	Cmd      string    `json:"cmd"`
	Topic    string    `json:"topic"`
	Name     string    `json:"name"`
	Listen   []string  `json:"listen"`
	Connect  []string  `json:"connect"`
	Machines []exposed `json:"machines"`
	Machine  string    `json:"machine"`
	States   am.S      `json:"states"`
	PeerId   string    `json:"peer_id"`
}

// listed is one machine of another peer, as this peer knows it.
type listed struct {
	Id     string    `json:"id"`
	Schema am.Schema `json:"schema"`
	States am.S      `json:"states"`
	Tags   []string  `json:"tags"`
	Time   am.Time   `json:"time"`
	Active am.S      `json:"active"`
}

type message map[string]any

// output writes one JSON line at a time.
type output struct {
	lock sync.Mutex
	to   *json.Encoder
}

func (o *output) say(what message) {
	o.lock.Lock()
	defer o.lock.Unlock()
	_ = o.to.Encode(what)
}

// peer is the one topic of this process and the machines it exposes.
type peer struct {
	out      *output
	topic    *pubsub.Topic
	machines map[string]*am.Machine
}

// told are the topic machine's states whose activation is worth a line of the transcript.
var told = map[string]bool{
	"PeerJoined": true, "PeerLeft": true, "MsgInfo": true, "MsgUpdates": true, "MsgBye": true,
	"MsgReceived": true, "MsgReqInfo": true, "MsgReqUpdates": true, "SendMsg": true, "ProcessMsgs": true,
	"Joined": true, "Exception": true, "ErrJoining": true, "ErrListening": true, "ErrConnecting": true,
	"ErrHandlerTimeout": true, "ErrNetwork": true,
}

func (p *peer) tell(called am.S, accepted bool, args am.A) {
	for _, state := range called {
		if !told[state] {
			continue
		}
		parsed := pubsub.ParseArgs(args)
		what := message{"event": "transition", "state": state, "accepted": accepted}
		if parsed.PeerId != "" {
			what["peer"] = parsed.PeerId
		}
		if parsed.MsgType != "" {
			what["msg_type"] = parsed.MsgType
		}
		if parsed.Length > 0 {
			what["length"] = parsed.Length
		}
		if err, ok := args["err"].(error); ok {
			what["error"] = err.Error()
		}
		p.out.say(what)
	}
}

func addresses(texts []string) ([]ma.Multiaddr, error) {
	ret := make([]ma.Multiaddr, len(texts))
	for i, text := range texts {
		address, err := ma.NewMultiaddr(text)
		if err != nil {
			return nil, fmt.Errorf("address %s: %w", text, err)
		}
		ret[i] = address
	}
	return ret, nil
}

func (p *peer) wait(ch <-chan struct{}, what string) error {
	select {
	case <-ch:
		return nil
	case <-time.After(answerTime):
		return fmt.Errorf("%s not reached within %s: %w", what, answerTime, p.topic.Mach.Err())
	}
}

// start opens the peer; without addresses to dial it is a root, which is told Connected by its owner.
func (p *peer) start(ctx context.Context, c *command) (message, error) {
	list := make([]*am.Machine, len(c.Machines))
	for i, e := range c.Machines {
		mach, err := am.NewCommon(ctx, e.Id, e.Schema, e.States, nil, nil, &am.Opts{Tags: e.Tags})
		if err != nil {
			return nil, fmt.Errorf("machine %s: %w", e.Id, err)
		}
		if len(e.Active) > 0 {
			mach.Add(e.Active, nil)
		}
		list[i] = mach
		p.machines[e.Id] = mach
	}
	topic, err := pubsub.NewTopic(ctx, c.Topic, c.Name, list, nil)
	if err != nil {
		return nil, err
	}
	p.topic = topic
	if topic.ListenAddrs, err = addresses(c.Listen); err != nil {
		return nil, err
	}
	if topic.ConnAddrs, err = addresses(c.Connect); err != nil {
		return nil, err
	}
	if err := watch(topic.Mach, p.tell); err != nil {
		return nil, err
	}
	topic.Start()
	if err := p.wait(topic.Mach.When1(states.TopicStates.Started, nil), "Started"); err != nil {
		return nil, err
	}
	if len(c.Connect) == 0 {
		topic.Mach.Add1(states.TopicStates.Connected, nil)
	} else if err := p.wait(topic.Mach.When1(states.TopicStates.Connected, nil), "Connected"); err != nil {
		return nil, err
	}
	topic.Join()
	if err := p.wait(topic.Mach.When1(states.TopicStates.Joined, nil), "Joined"); err != nil {
		return nil, err
	}
	dialable := []string{}
	for _, address := range *topic.Addrs.Load() {
		dialable = append(dialable, address.String())
	}
	id, err := (*topic.Addrs.Load())[0].ValueForProtocol(ma.P_P2P)
	return message{"peer": id, "addresses": dialable}, err
}

func (p *peer) mutate(c *command) (message, error) {
	mach, ok := p.machines[c.Machine]
	if !ok {
		return nil, fmt.Errorf("no machine %s", c.Machine)
	}
	result := am.Canceled
	if c.Cmd == "add" {
		result = mach.Add(c.States, nil)
	} else {
		result = mach.Remove(c.States, nil)
	}
	text := "queued"
	switch result {
	case am.Executed:
		text = "executed"
	case am.Canceled:
		text = "canceled"
	}
	return message{"result": text, "time": mach.Time(nil)}, nil
}

// health is what the peer's own state machine says of itself.
func (p *peer) health() (message, error) {
	mach := p.topic.Mach
	text := ""
	if err := mach.Err(); err != nil {
		text = err.Error()
	}
	return message{
		"active": active(mach), "error": text,
		"errors":   mach.Tick("Exception"),
		"timeouts": mach.Tick(states.TopicStates.ErrHandlerTimeout),
		"peers":    p.topic.T.ListPeers(),
	}, nil
}

func (p *peer) do(ctx context.Context, c *command) (message, error) {
	if c.Cmd == "start" {
		return p.start(ctx, c)
	}
	if p.topic == nil {
		return nil, errors.New("not started")
	}
	switch c.Cmd {
	case "add", "remove":
		return p.mutate(c)
	case "list":
		machines, err := list(p.topic, c.PeerId)
		return message{"machines": machines}, err
	case "health":
		return p.health()
	}
	return nil, fmt.Errorf("unknown command %s", c.Cmd)
}

func main() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	out := &output{to: json.NewEncoder(os.Stdout)}
	p := &peer{out: out, machines: map[string]*am.Machine{}}
	out.say(message{"event": "ready", "asyncmachine": version})

	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		c := &command{}
		if err := json.Unmarshal(lines.Bytes(), c); err != nil {
			out.say(message{"error": err.Error()})
			continue
		}
		if c.Cmd == "quit" {
			out.say(message{"seq": c.Seq})
			break
		}
		answer, err := p.do(ctx, c)
		if answer == nil {
			answer = message{}
		}
		answer["seq"] = c.Seq
		if err != nil {
			answer["error"] = err.Error()
		}
		out.say(answer)
	}
	if p.topic != nil {
		p.topic.Dispose()
	}
}
