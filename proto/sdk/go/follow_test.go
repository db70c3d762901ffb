package chamois

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	watchv1 "chamois.dev/sdk/go/gen/chamois/watch/v1"
)

// at is a response up to a revision.
func at(revision uint64, fill func(*watchv1.WatchResponse)) *watchv1.WatchResponse {
	response := &watchv1.WatchResponse{
		Header: &watchv1.WatchHeader{ClusterId: "c1", Revision: revision, HasMajority: true},
	}
	fill(response)
	return response
}

func rows(keys ...string) func(*watchv1.WatchResponse) {
	return func(r *watchv1.WatchResponse) {
		rows := &watchv1.WatchResponse_Rows{}
		for _, key := range keys {
			rows.Objects = append(rows.Objects, &watchv1.Object{Key: key})
		}
		r.Message = &watchv1.WatchResponse_Rows_{Rows: rows}
	}
}

func end(r *watchv1.WatchResponse) {
	r.Message = &watchv1.WatchResponse_SnapshotEnd_{SnapshotEnd: &watchv1.WatchResponse_SnapshotEnd{}}
}

func progress(r *watchv1.WatchResponse) {
	r.Message = &watchv1.WatchResponse_Progress_{Progress: &watchv1.WatchResponse_Progress{}}
}

func events(continued bool, revisions ...uint64) func(*watchv1.WatchResponse) {
	return func(r *watchv1.WatchResponse) {
		events := &watchv1.WatchResponse_Events{Continued: continued}
		for _, revision := range revisions {
			events.Events = append(events.Events, &watchv1.Event{Revision: revision})
		}
		r.Message = &watchv1.WatchResponse_Events_{Events: events}
	}
}

func cutOff(r *watchv1.WatchResponse) {
	r.Header.HasMajority = false
	progress(r)
}

// tell answers a watch with these responses, and ends it as finally says.
func tell(finally answer, responses ...*watchv1.WatchResponse) answer {
	return func(ctx context.Context, r request, stream grpc.ServerStream) error {
		for _, response := range responses {
			if err := stream.SendMsg(response); err != nil {
				return err
			}
		}
		return finally(ctx, r, stream)
	}
}

// told follows until so much was told, and shows it.
func told(t *testing.T, follow *Follow, count int) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var all []string
	for told, err := range follow.All(ctx) {
		must(t, err)
		all = append(all, shown(told))
		if len(all) == count {
			break
		}
	}
	return strings.Join(all, ", ")
}

func shown(told Told) string {
	switch told := told.(type) {
	case Begins:
		return "begins"
	case Rows:
		return fmt.Sprintf("%d rows", len(told))
	case StateEnds:
		return fmt.Sprintf("state %d", told.Revision)
	case Events:
		var revisions []string
		for _, event := range told {
			revisions = append(revisions, fmt.Sprint(event.GetRevision()))
		}
		return strings.Join(revisions, "+")
	case Progress:
		return fmt.Sprintf("to %d", told.Revision)
	default:
		return fmt.Sprintf("%T", told)
	}
}

// asked is the watch that a fake member was asked for.
func asked(t *testing.T, r request) *watchv1.WatchRequest {
	t.Helper()
	watch := &watchv1.WatchRequest{}
	must(t, proto.Unmarshal([]byte(r.body), watch))
	return watch
}

var gone = refuse(codes.Unavailable, "the member stops", metadataRetryAfter, "1")

func TestAWatchGoesOnAtTheNextMemberWhereItWas(t *testing.T) {
	ca := newAuthority(t)
	one := startFake(t, ca, tell(gone, at(0, rows("a", "b")), at(5, end), at(7, events(false, 6, 7))))
	two := startFake(t, ca, tell(hang, at(8, events(false, 8)), at(9, progress)))
	follow := NewFollow(clientOf(t, ca, nil, one, two), &watchv1.WatchRequest{Xnames: []string{"x0"}})
	equal(t, told(t, follow, 6), "begins, 2 rows, state 5, 6+7, 8, to 9")
	again := asked(t, two.requests()[0])
	equal(t, again.GetFromRevision(), 7)
	equal(t, again.GetClusterId(), "c1")
	equal(t, again.GetXnames()[0], "x0")
	revision, cluster := follow.Cursor()
	equal(t, fmt.Sprint(revision, cluster), "9c1")
}

// A part of the state is worth nothing: it may be older than what follows.
func TestAStateThatWasNotToldWholeBeginsAgain(t *testing.T) {
	ca := newAuthority(t)
	one := startFake(t, ca, tell(gone, at(0, rows("a"))))
	two := startFake(t, ca, tell(hang, at(0, rows("a", "b")), at(5, end)))
	follow := NewFollow(clientOf(t, ca, nil, one, two), &watchv1.WatchRequest{})
	equal(t, told(t, follow, 5), "begins, 1 rows, begins, 2 rows, state 5")
}

// The events of one revision belong together: of one that was told in part, nothing was told.
func TestARevisionIsToldWholeOrNotAtAll(t *testing.T) {
	ca := newAuthority(t)
	one := startFake(t, ca, tell(gone, at(6, events(true, 6, 7, 7))))
	two := startFake(t, ca, tell(hang, at(6, events(true, 7, 7)), at(7, events(false, 7))))
	follow := NewFollow(clientOf(t, ca, nil, one, two), &watchv1.WatchRequest{FromRevision: 5})
	equal(t, told(t, follow, 2), "6, 7+7+7")
	equal(t, asked(t, two.requests()[0]).GetFromRevision(), 6)
}

func TestAWatchThatIsTooFarBackBeginsWithTheState(t *testing.T) {
	ca := newAuthority(t)
	compacted := refuse(codes.OutOfRange, "begin again", metadataOldestRevision, "40")
	member := startFake(t, ca, inTurn(compacted, tell(hang, at(0, rows("a")), at(50, end))))
	follow := NewFollow(clientOf(t, ca, nil, member), &watchv1.WatchRequest{FromRevision: 5, ClusterId: "c0"})
	equal(t, told(t, follow, 3), "begins, 1 rows, state 50")
	equal(t, asked(t, member.requests()[1]).GetClusterId(), "")
}

// Others may know of later changes than a member that is cut off.
func TestAMemberWithoutAMajorityIsNotFollowed(t *testing.T) {
	ca := newAuthority(t)
	member := startFake(t, ca, inTurn(tell(hang, at(6, cutOff)), tell(hang, at(7, events(false, 7)))))
	follow := NewFollow(clientOf(t, ca, nil, member), &watchv1.WatchRequest{FromRevision: 5})
	equal(t, told(t, follow, 2), "to 6, 7")
}

// No member would answer otherwise, so waiting would be for ever.
func TestARefusedWatchEndsWithTheReason(t *testing.T) {
	ca := newAuthority(t)
	member := startFake(t, ca, refuse(codes.PermissionDenied, "not you"))
	var last error
	for _, err := range NewFollow(clientOf(t, ca, nil, member), &watchv1.WatchRequest{}).All(context.Background()) {
		last = err
	}
	equal(t, ErrorOf(last).Reason, ReasonPermissionDenied)
	equal(t, len(member.requests()), 1)
}

// A frozen member's kernel keeps the connection open.
func TestASilentMemberIsLeft(t *testing.T) {
	ca := newAuthority(t)
	member := startFake(t, ca, inTurn(tell(hang), tell(hang, at(7, events(false, 7)))))
	follow := NewFollow(clientOf(t, ca, nil, member), &watchv1.WatchRequest{FromRevision: 5})
	follow.silence = 200 * time.Millisecond
	equal(t, told(t, follow, 1), "7")
}

func TestAWatchEndsWithItsContext(t *testing.T) {
	ca := newAuthority(t)
	member := startFake(t, ca, tell(hang, at(6, progress)))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var last error
	for _, err := range NewFollow(clientOf(t, ca, nil, member), &watchv1.WatchRequest{FromRevision: 5}).All(ctx) {
		last = err
		cancel()
	}
	equal(t, errors.Is(last, context.Canceled), true)
}

// Whoever leaves the loop and comes back misses nothing.
func TestALoopThatWasLeftGoesOnWhereItWas(t *testing.T) {
	ca := newAuthority(t)
	member := startFake(t, ca, inTurn(
		tell(hang, at(6, events(false, 6)), at(7, events(false, 7))), tell(hang, at(7, events(false, 7)))))
	follow := NewFollow(clientOf(t, ca, nil, member), &watchv1.WatchRequest{FromRevision: 5})
	equal(t, told(t, follow, 1), "6")
	equal(t, told(t, follow, 1), "7")
	equal(t, asked(t, member.requests()[1]).GetFromRevision(), 6)
}
