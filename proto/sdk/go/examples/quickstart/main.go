// The quick start of the README: the nodes of a cluster and their states.
package main

import (
	"context"
	"fmt"
	"log"

	chamois "chamois.dev/sdk/go"
	smdv1 "chamois.dev/sdk/go/gen/chamois/smd/v1"
)

func main() {
	ctx := context.Background()
	client, err := chamois.Dial(ctx, chamois.ConfigFromEnv())
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	smd := smdv1.NewComponentServiceClient(client)
	nodes := &smdv1.ListComponentsRequest{Type: []string{"Node"}}
	for node, err := range chamois.Items(ctx, smd.ListComponents, nodes, (*smdv1.ListComponentsResponse).GetComponents) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(node.GetId(), node.GetState(), node.GetNid())
	}
}
