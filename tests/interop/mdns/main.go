// A go-libp2p host with the mDNS service of go-libp2p itself. Prints one JSON line for its own id, for each peer that
// is found, and for each connection; dials whom it finds, as the documentation of that service does. Ends with stdin.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/discovery/mdns"
)

func say(event string, id peer.ID, addresses []string) {
	line, _ := json.Marshal(map[string]any{"event": event, "peer_id": id.String(), "addresses": addresses})
	fmt.Println(string(line))
}

type notifee struct{ host host.Host }

func (n notifee) HandlePeerFound(found peer.AddrInfo) {
	addresses := []string{}
	for _, address := range found.Addrs {
		addresses = append(addresses, address.String())
	}
	say("found", found.ID, addresses)
	go n.host.Connect(context.Background(), found)
}

func main() {
	made, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/udp/0/quic-v1", "/ip4/127.0.0.1/tcp/0"))
	if err != nil {
		panic(err)
	}
	made.Network().Notify(&network.NotifyBundle{ConnectedF: func(_ network.Network, c network.Conn) {
		say("connected", c.RemotePeer(), nil)
	}})
	service := mdns.NewMdnsService(made, os.Args[1], notifee{made})
	if err := service.Start(); err != nil {
		panic(err)
	}
	say("ready", made.ID(), nil)
	io.Copy(io.Discard, os.Stdin)
}
