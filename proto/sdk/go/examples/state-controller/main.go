// state-controller keeps one group that holds every node in trouble: a node joins it when its flag becomes Alert or Warning,
// or its state Halt, and leaves it when that is over. Copy it, and put what you need in place of the group.
//
//	CHAMOIS_ENDPOINTS=… CHAMOIS_CA=… CHAMOIS_TOKEN=… go run ./examples/state-controller -group in-trouble
package main

import (
	"context"
	"errors"
	"flag"
	"log"
	"os"
	"os/signal"
	"syscall"

	chamois "chamois.dev/sdk/go"
)

func main() {
	label := flag.String("group", "in-trouble", "label of the group to keep; it is made if there is none")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	client, err := chamois.Dial(ctx, chamois.ConfigFromEnv())
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	if err := newController(client, *label).run(ctx); err != nil && !errors.Is(err, context.Canceled) {
		log.Fatal(err)
	}
}
