package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	chamois "chamois.dev/sdk/go"
	smdv1 "chamois.dev/sdk/go/gen/chamois/smd/v1"
	watchv1 "chamois.dev/sdk/go/gen/chamois/watch/v1"
	"chamois.dev/sdk/go/internal/livetest"
)

func node(id string, flag smdv1.Component_Flag) *watchv1.Object {
	component := &smdv1.Component{Id: id, Type: "Node", Flag: flag}
	return &watchv1.Object{Key: id, Value: &watchv1.Object_Component{Component: component}}
}

// Before the state was told whole, a node that is not known yet would be taken out of the group.
func TestNothingIsChangedBeforeTheStateIsWhole(t *testing.T) {
	c := newController(nil, "g") // a call would panic
	c.learn(node("x0c0s0b0n0", smdv1.Component_FLAG_ALERT), false)
	if err := c.reconcile(context.Background()); err != nil || !c.inTrouble["x0c0s0b0n0"] {
		t.Fatal(err, c.inTrouble)
	}
}

func TestOnlyNodesInTroubleCount(t *testing.T) {
	c := newController(nil, "g")
	c.learn(node("x0c0s0b0n0", smdv1.Component_FLAG_ALERT), false)
	c.learn(node("x0c0s1b0n0", smdv1.Component_FLAG_OK), false)
	c.learn(node("x0c0s2b0n0", smdv1.Component_FLAG_WARNING), false)
	c.learn(node("x0c0s2b0n0", smdv1.Component_FLAG_WARNING), true)
	bmc := node("x0c0s3b0", smdv1.Component_FLAG_ALERT)
	bmc.GetComponent().Type = "NodeBMC"
	c.learn(bmc, false)
	if len(c.inTrouble) != 1 || !c.inTrouble["x0c0s0b0n0"] {
		t.Fatal(c.inTrouble)
	}
}

// Against a real cluster whose members die one after the other under the controller.
func TestLiveTheGroupFollowsTheNodesWhileMembersDie(t *testing.T) {
	cluster, err := livetest.Start(3)
	if err != nil {
		t.Fatal(err)
	}
	if cluster == nil {
		t.Skip("there is no chamois: build it, or name it in CHAMOIS_BIN")
	}
	defer cluster.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	client, err := chamois.Dial(ctx, chamois.Config{Endpoints: cluster.Endpoints, CA: cluster.CA, Token: cluster.Token})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	make3(ctx, t, client)

	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- newController(client, "in-trouble").run(running) }()
	groupIs(ctx, t, client)
	setFlag(ctx, t, client, id(1), smdv1.Component_FLAG_ALERT)
	groupIs(ctx, t, client, id(1))
	for member := range uint64(3) {
		cluster.Kill(t, member+1)
		n := int(member)
		setFlag(ctx, t, client, id(n), smdv1.Component_FLAG_ALERT)
		setFlag(ctx, t, client, id((n+1)%3), smdv1.Component_FLAG_OK)
		setFlag(ctx, t, client, id((n+2)%3), smdv1.Component_FLAG_OK)
		groupIs(ctx, t, client, id(n))
		cluster.Restart(t, member+1)
	}
	stop()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

func id(n int) string { return fmt.Sprintf("x3000c0s%db0n0", n) }

func make3(ctx context.Context, t *testing.T, client *chamois.Client) {
	t.Helper()
	request := &smdv1.CreateComponentsRequest{}
	for n := range 3 {
		request.Components = append(request.Components, &smdv1.Component{
			Id: id(n), State: smdv1.Component_STATE_READY, Flag: smdv1.Component_FLAG_OK,
		})
	}
	if _, err := smdv1.NewComponentServiceClient(client).CreateComponents(ctx, request); err != nil {
		t.Fatal(err)
	}
}

func setFlag(ctx context.Context, t *testing.T, client *chamois.Client, id string, flag smdv1.Component_Flag) {
	t.Helper()
	request := &smdv1.PatchFlagOnlyRequest{Id: id, Flag: flag}
	if _, err := smdv1.NewComponentPatchServiceClient(client).PatchFlagOnly(ctx, request); err != nil {
		t.Fatal(err)
	}
}

// groupIs waits until the group has these members.
func groupIs(ctx context.Context, t *testing.T, client *chamois.Client, wanted ...string) {
	t.Helper()
	groups := smdv1.NewGroupServiceClient(client)
	for {
		group, err := groups.GetGroup(ctx, &smdv1.GetGroupRequest{Label: "in-trouble"})
		if err == nil && slices.Equal(group.GetMembers().GetIds(), wanted) {
			return
		}
		if failed := chamois.ErrorOf(err); ctx.Err() != nil || failed != nil && failed.Reason != chamois.ReasonNotFound {
			t.Fatalf("%v %v, want %v", group, err, wanted)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
