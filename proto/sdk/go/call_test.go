package chamois

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	smdv1 "chamois.dev/sdk/go/gen/chamois/smd/v1"
)

// refuse answers with a code and metadata.
func refuse(code codes.Code, text string, pairs ...string) answer {
	return func(_ context.Context, _ request, stream grpc.ServerStream) error {
		stream.SetTrailer(metadata.Pairs(pairs...))
		return status.Error(code, text)
	}
}

// inTurn answers the first request by the first answer, and so on; all others by the last.
func inTurn(answers ...answer) answer {
	var asked atomic.Int64
	return func(ctx context.Context, r request, stream grpc.ServerStream) error {
		n := min(int(asked.Add(1)), len(answers))
		return answers[n-1](ctx, r, stream)
	}
}

// hang answers when the caller has gone.
func hang(ctx context.Context, _ request, _ grpc.ServerStream) error {
	<-ctx.Done()
	return ctx.Err()
}

func create(ctx context.Context, client *Client, options ...grpc.CallOption) error {
	_, err := smdv1.NewGroupServiceClient(client).CreateGroup(ctx, &smdv1.Group{Label: "g"}, options...)
	return err
}

func get(ctx context.Context, client *Client, options ...grpc.CallOption) error {
	_, err := smdv1.NewGroupServiceClient(client).GetGroup(ctx, &smdv1.GetGroupRequest{Label: "g"}, options...)
	return err
}

var (
	outcomeUnknown = refuse(codes.Unavailable, "the outcome is not known yet", metadataOutcome, "unknown", metadataRetryAfter, "1")
	noQuorum       = refuse(codes.Unavailable, "no majority of members can be reached", metadataRetryAfter, "1")
)

// The cluster recognises the repeat by the number, so it must be the first one's, and the bytes, too.
func TestAChangeIsRepeatedUnderItsNumberAtTheNextMember(t *testing.T) {
	ca := newAuthority(t)
	one, two := startFake(t, ca, outcomeUnknown), startFake(t, ca, ok)
	must(t, create(context.Background(), clientOf(t, ca, nil, one, two)))
	first, second := one.requests(), two.requests()
	equal(t, len(first), 1)
	equal(t, len(second), 1)
	for _, key := range []string{metadataClientID, metadataSeq, metadataAckBelow} {
		equal(t, second[0].first(key), first[0].first(key))
	}
	equal(t, len(first[0].first(metadataClientID)), 32)
	equal(t, first[0].first(metadataSeq), "1")
	equal(t, second[0].body, first[0].body)
}

func TestEveryChangeHasANumberOfItsOwnAndReadsHaveNone(t *testing.T) {
	ca := newAuthority(t)
	member := startFake(t, ca, ok)
	client := clientOf(t, ca, nil, member)
	must(t, create(context.Background(), client))
	must(t, get(context.Background(), client))
	must(t, create(context.Background(), client))
	seen := member.requests()
	equal(t, seen[0].first(metadataSeq), "1")
	equal(t, seen[1].first(metadataSeq), "")
	equal(t, seen[2].first(metadataSeq), "2")
	equal(t, seen[2].first(metadataAckBelow), "2")
}

// The member dies with the request in its hands: nobody knows, so the next one is asked under the same number.
func TestAConnectionThatBreaksIsAnUnknownOutcomeAndIsAskedAbout(t *testing.T) {
	ca := newAuthority(t)
	two := startFake(t, ca, ok)
	var one *fake
	one = startFake(t, ca, func(ctx context.Context, r request, s grpc.ServerStream) error {
		go one.server.Stop()
		return hang(ctx, r, s)
	})
	must(t, create(context.Background(), clientOf(t, ca, nil, one, two)))
	equal(t, two.requests()[0].first(metadataSeq), "1")
}

// With nobody else to ask, the error must say that the change may have been made.
func TestAnOutcomeThatStaysUnknownIsToldAsThat(t *testing.T) {
	ca := newAuthority(t)
	var member *fake
	member = startFake(t, ca, func(ctx context.Context, r request, s grpc.ServerStream) error {
		go member.server.Stop()
		return hang(ctx, r, s)
	})
	failed := ErrorOf(create(context.Background(), clientOf(t, ca, nil, member), Timeout(time.Second)))
	equal(t, failed.Reason, ReasonOutcomeUnknown)
	equal(t, failed.Code, codes.Unavailable)
	equal(t, failed.SafeToRetry(), false)
}

// What a member refuses by itself says nothing of the attempt before.
func TestARefusalAfterAnUnknownOutcomeIsNoOutcome(t *testing.T) {
	ca := newAuthority(t)
	member := startFake(t, ca, inTurn(outcomeUnknown, refuse(codes.PermissionDenied, "not you")))
	failed := ErrorOf(create(context.Background(), clientOf(t, ca, nil, member)))
	equal(t, failed.Reason, ReasonOutcomeUnknown)
	if !strings.Contains(failed.Message, "not you") {
		t.Fatal(failed)
	}
}

// A rejection by the replicated state is the stored outcome of the first attempt.
func TestARejectionAfterAnUnknownOutcomeIsTheOutcome(t *testing.T) {
	ca := newAuthority(t)
	exists := refuse(codes.AlreadyExists, "group g exists already")
	failed := ErrorOf(create(context.Background(), clientOf(t, ca, nil, startFake(t, ca, inTurn(outcomeUnknown, exists)))))
	equal(t, failed.Reason, ReasonAlreadyExists)
	equal(t, failed.SafeToRetry(), true)
}

// Of a session that has lapsed, nobody knows any more what was done.
func TestALapsedSessionIsAnUnknownOutcome(t *testing.T) {
	ca := newAuthority(t)
	expired := refuse(codes.FailedPrecondition, "this client's session has expired and the request may have been applied before")
	failed := ErrorOf(create(context.Background(), clientOf(t, ca, nil, startFake(t, ca, expired))))
	equal(t, failed.Reason, ReasonSessionExpired)
	equal(t, failed.SafeToRetry(), false)
}

func TestAMemberWithoutAMajorityIsLeftForTheNext(t *testing.T) {
	ca := newAuthority(t)
	one, two := startFake(t, ca, noQuorum), startFake(t, ca, ok)
	client := clientOf(t, ca, nil, one, two)
	must(t, get(context.Background(), client))
	must(t, get(context.Background(), client))
	equal(t, len(one.requests()), 1)
	equal(t, len(two.requests()), 2)
}

// A frozen member holds its connections open: the attempt's own time ends it.
func TestAMemberThatHangsIsLeftForTheNext(t *testing.T) {
	ca := newAuthority(t)
	one, two := startFake(t, ca, hang), startFake(t, ca, ok)
	client := clientOf(t, ca, func(c *Config) { c.AttemptTimeout = 100 * time.Millisecond }, one, two)
	must(t, create(context.Background(), client))
	equal(t, two.requests()[0].first(metadataSeq), "1")
}

// What is slow and not stuck would else never end: each attempt has twice the time.
func TestASlowAnswerArrivesInTheEnd(t *testing.T) {
	ca := newAuthority(t)
	slow := func(ctx context.Context, r request, s grpc.ServerStream) error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(300 * time.Millisecond):
			return ok(ctx, r, s)
		}
	}
	client := clientOf(t, ca, func(c *Config) { c.AttemptTimeout = 50 * time.Millisecond }, startFake(t, ca, slow))
	must(t, get(context.Background(), client))
}

// Nothing was sent, so the caller may do what it likes; and it is told at once, not after 30 s.
func TestNoMemberAtAllIsToldAtOnceWithEveryProblem(t *testing.T) {
	ca := newAuthority(t)
	one, two := startFake(t, ca, ok), startFake(t, ca, ok)
	one.server.Stop()
	two.server.Stop()
	from := time.Now()
	failed := ErrorOf(create(context.Background(), clientOf(t, ca, nil, one, two)))
	equal(t, failed.Reason, ReasonUnreachable)
	equal(t, failed.SafeToRetry(), true)
	equal(t, failed.Temporary(), true)
	if time.Since(from) > 5*time.Second || !strings.Contains(failed.Message, one.endpoint) ||
		!strings.Contains(failed.Message, two.endpoint) {
		t.Fatalf("%s after %s", failed, time.Since(from))
	}
}

// A cluster that elects for longer than usual says so each time it is asked; the reason is its own to the end.
func TestHoweverOftenAMemberRefusesItsReasonStays(t *testing.T) {
	ca := newAuthority(t)
	member := startFake(t, ca, noQuorum)
	settle := func(c *Config) { c.AttemptTimeout = 1 << 61 } // twice that is negative
	failed := ErrorOf(create(context.Background(), clientOf(t, ca, settle, member), Timeout(time.Second)))
	equal(t, failed.Reason, ReasonNoQuorum)
	equal(t, failed.RetryAfter, time.Second)
	equal(t, failed.SafeToRetry(), true)
	equal(t, len(member.requests()) > 3, true)
}

func TestAMemberThatIsDownIsPassedOver(t *testing.T) {
	ca := newAuthority(t)
	one, two := startFake(t, ca, ok), startFake(t, ca, ok)
	one.server.Stop()
	must(t, create(context.Background(), clientOf(t, ca, nil, one, two)))
	equal(t, len(two.requests()), 1)
}

func TestADeadlineThatHasPassedSendsNothing(t *testing.T) {
	ca := newAuthority(t)
	member := startFake(t, ca, ok)
	ctx, cancel := context.WithDeadline(context.Background(), time.Now().Add(-time.Second))
	defer cancel()
	err := create(ctx, clientOf(t, ca, nil, member))
	failed := ErrorOf(err)
	equal(t, failed.Reason, ReasonDeadlineExceeded)
	equal(t, failed.SafeToRetry(), true)
	equal(t, errors.Is(err, context.DeadlineExceeded), true)
	equal(t, status.Code(err), codes.DeadlineExceeded)
	equal(t, len(member.requests()), 0)
}

func TestADeadlineDuringAChangeIsAnUnknownOutcomeAndDuringAReadIsNot(t *testing.T) {
	ca := newAuthority(t)
	client := clientOf(t, ca, nil, startFake(t, ca, hang))
	failed := ErrorOf(create(context.Background(), client, Timeout(200*time.Millisecond)))
	equal(t, failed.Code, codes.DeadlineExceeded)
	equal(t, failed.SafeToRetry(), false)
	failed = ErrorOf(get(context.Background(), client, Timeout(200*time.Millisecond)))
	equal(t, failed.Reason, ReasonDeadlineExceeded)
	equal(t, failed.SafeToRetry(), true)
}

func TestACancelledCallEndsAtOnce(t *testing.T) {
	ca := newAuthority(t)
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(100*time.Millisecond, cancel)
	err := create(ctx, clientOf(t, ca, nil, startFake(t, ca, hang)))
	equal(t, errors.Is(err, context.Canceled), true)
	equal(t, ErrorOf(err).Reason, ReasonCancelled)
	equal(t, ErrorOf(err).SafeToRetry(), false)
}

func TestAMessageOverTheLimitIsRefusedBeforeItIsSent(t *testing.T) {
	ca := newAuthority(t)
	member := startFake(t, ca, ok)
	group := &smdv1.Group{Label: "g", Description: strings.Repeat("x", messageBytesMax)}
	_, err := smdv1.NewGroupServiceClient(clientOf(t, ca, nil, member)).CreateGroup(context.Background(), group)
	failed := ErrorOf(err)
	equal(t, failed.Reason, ReasonTooLarge)
	equal(t, failed.SafeToRetry(), true)
	equal(t, len(member.requests()), 0)
}

// Sessions of calls at once must not mix: every number once.
func TestCallsAtOnceHaveNumbersOfTheirOwn(t *testing.T) {
	ca := newAuthority(t)
	member := startFake(t, ca, ok)
	client := clientOf(t, ca, nil, member)
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			if err := create(context.Background(), client); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	numbers := map[string]bool{}
	for _, asked := range member.requests() {
		numbers[asked.first(metadataSeq)] = true
	}
	equal(t, len(numbers), 100)
}

func TestACallAfterCloseFailsAndSaysWhy(t *testing.T) {
	ca := newAuthority(t)
	client := clientOf(t, ca, nil, startFake(t, ca, ok))
	must(t, client.Close())
	if err := get(context.Background(), client); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Fatal(err)
	}
}
