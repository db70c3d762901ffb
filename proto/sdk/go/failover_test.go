package chamois

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	clusterv1 "chamois.dev/sdk/go/gen/chamois/cluster/v1"
	smdv1 "chamois.dev/sdk/go/gen/chamois/smd/v1"
	watchv1 "chamois.dev/sdk/go/gen/chamois/watch/v1"
)

// status asks one member, until it answers as wanted.
func statusUntil(t *testing.T, member int, wanted func(*clusterv1.ClusterStatus) bool) *clusterv1.ClusterStatus {
	t.Helper()
	client := clusterv1.NewClusterServiceClient(dialLive(t, func(c *Config) { c.Endpoints = live.Endpoints[member-1 : member] }))
	ctx := shortly(t)
	for {
		status, err := client.GetStatus(ctx, &clusterv1.GetStatusRequest{}, Timeout(2*time.Second))
		if err == nil && wanted(status) {
			return status
		}
		if !wait(ctx, 100*time.Millisecond) {
			t.Fatalf("member %d: %v %v", member, status, err)
		}
	}
}

// leader of the cluster, as some member sees it.
func leader(t *testing.T) uint64 {
	t.Helper()
	return statusUntil(t, 1, func(s *clusterv1.ClusterStatus) bool { return s.GetLeaderId() != 0 }).GetLeaderId()
}

// at first asks member id.
func firstAsking(id uint64) func(*Config) {
	return func(c *Config) {
		n := int(id) - 1
		c.Endpoints = append(slices.Clone(c.Endpoints[n:]), c.Endpoints[:n]...)
	}
}

// A counted is the watch's view of the writers' groups.
type counted struct {
	mu      sync.Mutex
	created map[string]int
	seen    []uint64
}

// follow counts the groups that are created, until the one called last is.
func (c *counted) follow(ctx context.Context, follow *Follow, last string) error {
	for told, err := range follow.All(ctx) {
		if err != nil {
			return err
		}
		events, _ := told.(Events)
		for _, event := range events {
			c.mu.Lock()
			c.seen = append(c.seen, event.GetRevision())
			if event.GetChange() == watchv1.Event_CHANGE_CREATED {
				c.created[event.GetObject().GetKey()]++
			}
			c.mu.Unlock()
			if event.GetObject().GetKey() == last {
				return nil
			}
		}
	}
	return nil
}

// Writers go on while the leader that all of them talk to is killed with their requests in its hands. Creating a group twice
// fails with ALREADY_EXISTS, so every call that succeeds proves that its repeats were recognised; and the watch, which was at
// the same member, must tell each group once, in the order of the log.
func TestLiveNothingIsDoneTwiceAndNothingMissedWhileTheLeaderDies(t *testing.T) {
	dialLive(t, nil)
	killed := leader(t)
	client := dialLive(t, firstAsking(killed))
	groups := smdv1.NewGroupServiceClient(client)
	ctx := shortly(t)
	begin, err := groups.CreateGroup(ctx, &smdv1.Group{Label: unused("begin")})
	must(t, err)

	end, run := unused("end"), unused("write")
	seen := &counted{created: map[string]int{}}
	watched := make(chan error, 1)
	follow := NewFollow(dialLive(t, firstAsking(killed)), &watchv1.WatchRequest{
		FromRevision: begin.GetRevision(), Kinds: []watchv1.Object_Kind{watchv1.Object_KIND_GROUP}, ProgressIntervalMs: 500,
	})
	go func() { watched <- seen.follow(ctx, follow, end) }()

	const writers, each = 8, 40
	var all sync.WaitGroup
	for writer := range writers {
		all.Go(func() {
			for i := range each {
				label := fmt.Sprintf("%s-%d-%d", run, writer, i)
				if _, err := groups.CreateGroup(ctx, &smdv1.Group{Label: label}); err != nil {
					t.Errorf("%s: %v", label, err)
				}
				if writer == 0 && i == each/4 {
					live.Kill(t, killed)
				}
			}
		})
	}
	all.Wait()
	_, err = groups.CreateGroup(ctx, &smdv1.Group{Label: end})
	must(t, err)
	must(t, <-watched)

	for writer := range writers {
		for i := range each {
			label := fmt.Sprintf("%s-%d-%d", run, writer, i)
			if seen.created[label] != 1 {
				t.Errorf("%s was told %d times", label, seen.created[label])
			}
		}
	}
	equal(t, slices.IsSorted(seen.seen), true)
	restart(t, killed)
}

// restart brings a killed member back and waits until it follows.
func restart(t *testing.T, id uint64) {
	t.Helper()
	live.Restart(t, id)
	statusUntil(t, int(id), func(s *clusterv1.ClusterStatus) bool { return s.GetLeaderId() != 0 })
}

// A frozen leader's kernel still takes connections and requests: only time tells.
func TestLiveAFrozenLeaderIsLeftAndTheChangeIsMadeOnce(t *testing.T) {
	dialLive(t, nil)
	frozen := leader(t)
	groups := smdv1.NewGroupServiceClient(dialLive(t, firstAsking(frozen)))
	_, err := groups.CreateGroup(shortly(t), &smdv1.Group{Label: unused("warm")})
	must(t, err)
	live.Freeze(t, frozen)
	_, err = groups.CreateGroup(shortly(t), &smdv1.Group{Label: unused("frozen")})
	if thawed := live.Thaw(t, frozen); !thawed {
		live.Restart(t, frozen)
	}
	must(t, err)
	statusUntil(t, int(frozen), func(s *clusterv1.ClusterStatus) bool { return s.GetLeaderId() != 0 })
}

// One member, no majority: the call says whether something may have been changed, and that is so.
func TestLiveWithoutAMajorityTheErrorSaysWhatMayHaveBeenDone(t *testing.T) {
	dialLive(t, nil)
	left := leader(t)%3 + 1 // a follower
	client := dialLive(t, func(c *Config) { c.Endpoints = c.Endpoints[left-1 : left] })
	groups := smdv1.NewGroupServiceClient(client)
	for id := range uint64(3) {
		if id+1 != left {
			live.Kill(t, id+1)
		}
	}
	label := unused("alone")
	_, err := groups.CreateGroup(shortly(t), &smdv1.Group{Label: label}, Timeout(6*time.Second))
	failed := ErrorOf(err)
	_, local := groups.ListGroups(shortly(t), &smdv1.ListGroupsRequest{}, Local())
	for id := range uint64(3) {
		if id+1 != left {
			restart(t, id+1)
		}
	}
	must(t, local)
	if failed == nil || !failed.Temporary() {
		t.Fatalf("%+v", failed)
	}
	_, err = groups.GetGroup(shortly(t), &smdv1.GetGroupRequest{Label: label})
	if found := ErrorOf(err); failed.SafeToRetry() && (found == nil || found.Reason != ReasonNotFound) {
		t.Fatalf("it was made all the same: %v", err)
	}
}
