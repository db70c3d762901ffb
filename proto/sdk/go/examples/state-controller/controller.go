package main

import (
	"context"
	"log"
	"maps"
	"slices"

	"google.golang.org/grpc"

	chamois "chamois.dev/sdk/go"
	smdv1 "chamois.dev/sdk/go/gen/chamois/smd/v1"
	watchv1 "chamois.dev/sdk/go/gen/chamois/watch/v1"
)

// A controller knows which nodes should be in the group (from the watch) and which are (from the watch, too), and makes the
// second like the first. It decides from what is, never from a single event, so it may be started and stopped at any time,
// and two of them do no harm.
type controller struct {
	label  string
	groups smdv1.GroupServiceClient
	follow *chamois.Follow

	whole     bool // the state was told whole: before that, nobody can be said to be missing
	exists    bool
	inTrouble map[string]bool
	members   map[string]bool
}

func newController(conn grpc.ClientConnInterface, label string) *controller {
	request := &watchv1.WatchRequest{
		Kinds: []watchv1.Object_Kind{watchv1.Object_KIND_COMPONENT, watchv1.Object_KIND_GROUP},
	}
	c := &controller{label: label, groups: smdv1.NewGroupServiceClient(conn), follow: chamois.NewFollow(conn, request)}
	c.begin()
	return c
}

// run reacts to changes until ctx ends.
func (c *controller) run(ctx context.Context) error {
	for told, err := range c.follow.All(ctx) {
		if err != nil {
			return err
		}
		switch told := told.(type) {
		case chamois.Begins:
			c.begin()
		case chamois.Rows:
			for _, object := range told {
				c.learn(object, false)
			}
		case chamois.Events:
			for _, event := range told {
				c.learn(event.GetObject(), event.GetChange() == watchv1.Event_CHANGE_DELETED)
			}
		case chamois.StateEnds:
			c.whole = true
		}
		// a progress mark comes every few seconds: what failed before is tried again
		if err := c.reconcile(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (c *controller) begin() {
	c.whole, c.exists = false, false
	c.inTrouble, c.members = map[string]bool{}, map[string]bool{}
}

// learn takes in one object as it is now.
func (c *controller) learn(object *watchv1.Object, deleted bool) {
	if component := object.GetComponent(); component != nil {
		if !deleted && isInTrouble(component) {
			c.inTrouble[component.GetId()] = true
		} else {
			delete(c.inTrouble, component.GetId())
		}
	}
	if group := object.GetGroup(); group != nil && group.GetLabel() == c.label {
		c.exists, c.members = !deleted, map[string]bool{}
		for _, id := range group.GetMembers().GetIds() {
			c.members[id] = !deleted
		}
	}
}

func isInTrouble(component *smdv1.Component) bool {
	if component.GetType() != "Node" {
		return false
	}
	switch component.GetFlag() {
	case smdv1.Component_FLAG_ALERT, smdv1.Component_FLAG_WARNING:
		return true
	default:
		return component.GetState() == smdv1.Component_STATE_HALT
	}
}

// reconcile makes the group hold the nodes in trouble and nobody else. Its own change comes back by the watch.
func (c *controller) reconcile(ctx context.Context) error {
	if !c.whole || c.exists && maps.Equal(c.inTrouble, c.members) {
		return nil
	}
	ids := slices.Sorted(maps.Keys(c.inTrouble))
	err := c.write(ctx, ids)
	switch failed := chamois.ErrorOf(err); {
	case failed == nil:
		log.Printf("group %s: %d nodes: %v", c.label, len(ids), ids)
		c.exists, c.members = true, maps.Clone(c.inTrouble)
		return nil
	case failed.Temporary(), failed.Reason == chamois.ReasonAlreadyExists, failed.Reason == chamois.ReasonNotFound:
		// Somebody else made or deleted the group, or no member can write now: the watch tells what is, and the next thing that it
		// tells has this tried again.
		log.Printf("group %s is tried again: %v", c.label, failed)
		return nil
	default:
		return failed
	}
}

func (c *controller) write(ctx context.Context, ids []string) error {
	if c.exists {
		_, err := c.groups.ReplaceGroupMembers(ctx, &smdv1.ReplaceGroupMembersRequest{Label: c.label, Ids: ids})
		return err
	}
	_, err := c.groups.CreateGroup(ctx, &smdv1.Group{
		Label: c.label, Description: "nodes in trouble, kept by state-controller", Members: &smdv1.GroupMembers{Ids: ids},
	})
	return err
}
