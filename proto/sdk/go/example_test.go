package chamois_test

import (
	"context"
	"fmt"
	"log"
	"time"

	chamois "chamois.dev/sdk/go"
	httpv1 "chamois.dev/sdk/go/gen/chamois/http/v1"
	smdv1 "chamois.dev/sdk/go/gen/chamois/smd/v1"
	watchv1 "chamois.dev/sdk/go/gen/chamois/watch/v1"
)

var (
	ctx    = context.Background()
	client *chamois.Client
)

func ExampleDial() {
	client, err := chamois.Dial(ctx, chamois.Config{
		Endpoints: []string{"10.97.1.1:7441", "10.97.1.2:7441", "10.97.1.3:7441"},
		CA:        "/etc/chamois/ca.pem",
		CertFile:  "/etc/my-service/me.pem", // renewed by `chamois certificate renew`
		KeyFile:   "/etc/my-service/me.key",
	})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
}

func ExampleItems() {
	smd := smdv1.NewComponentServiceClient(client)
	ready := &smdv1.ListComponentsRequest{Type: []string{"Node"}, State: []string{"Ready"}}
	for node, err := range chamois.Items(ctx, smd.ListComponents, ready, (*smdv1.ListComponentsResponse).GetComponents) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(node.GetId())
	}
}

func ExampleFollow() {
	request := &watchv1.WatchRequest{Kinds: []watchv1.Object_Kind{watchv1.Object_KIND_COMPONENT}, Xnames: []string{"x1000"}}
	for told, err := range chamois.NewFollow(client, request).All(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		switch told := told.(type) {
		case chamois.Begins: // forget what is known
		case chamois.Rows: // a part of the state
		case chamois.Events:
			for _, event := range told {
				fmt.Println(event.GetRevision(), event.GetChange(), event.GetObject().GetKey())
			}
		}
	}
}

func ExampleErrorOf() {
	groups := smdv1.NewGroupServiceClient(client)
	_, err := groups.CreateGroup(ctx, &smdv1.Group{Label: "blue"}, chamois.Timeout(5*time.Second))
	switch failed := chamois.ErrorOf(err); {
	case failed == nil:
		fmt.Println("made")
	case failed.Reason == chamois.ReasonAlreadyExists:
		fmt.Println("there is one:", failed.ID)
	case !failed.SafeToRetry():
		fmt.Println("nobody knows; read it back:", failed)
	case failed.Temporary():
		fmt.Println("nothing was changed; again in", failed.RetryAfter)
	default:
		log.Fatal(failed)
	}
}

// A change that is refused if somebody else was faster.
func ExampleIfRevision() {
	smd := smdv1.NewComponentServiceClient(client)
	node, err := smd.GetComponent(ctx, &smdv1.GetComponentRequest{Id: "x1000c0s0b0n0"})
	if err != nil {
		log.Fatal(err)
	}
	_, err = smd.PatchStateData(ctx, &smdv1.PatchStateDataRequest{
		Id: node.GetId(), State: smdv1.Component_STATE_READY, IfRevision: chamois.IfRevision(node.GetMeta()),
	})
	if failed := chamois.ErrorOf(err); failed != nil && failed.Reason == chamois.ReasonRevisionMismatch {
		fmt.Println("it is at revision", failed.Revision, "by now: read it again")
	}
}

func ExampleValidateOnly() {
	would := &httpv1.WouldChange{}
	_, err := smdv1.NewGroupServiceClient(client).DeleteGroup(
		ctx, &smdv1.DeleteGroupRequest{Label: "blue"}, chamois.ValidateOnly(would))
	fmt.Println(would.GetChanges(), err)
}
