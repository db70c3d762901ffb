package chamois

import (
	"context"
	"io"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	watchv1 "chamois.dev/sdk/go/gen/chamois/watch/v1"
)

// drain reads a watch to its end.
func drain(t *testing.T, client *Client) (received int, end error) {
	t.Helper()
	stream, err := watchv1.NewWatchServiceClient(client).Watch(context.Background(), &watchv1.WatchRequest{})
	for err == nil {
		if _, err = stream.Recv(); err == nil {
			received++
		}
	}
	return received, err
}

// A stream cannot be repeated behind its reader's back, so the error says what happened, and the next one goes elsewhere.
func TestAMemberThatVanishesInTheMiddleOfAStreamIsLeft(t *testing.T) {
	ca := newAuthority(t)
	one := startFake(t, ca, tell(hang, at(0, rows("a"))))
	two := startFake(t, ca, tell(refuse(codes.PermissionDenied, "not you"), at(0, rows("a"))))
	client := clientOf(t, ca, nil, one, two)
	stream, err := watchv1.NewWatchServiceClient(client).Watch(context.Background(), &watchv1.WatchRequest{})
	must(t, err)
	_, err = stream.Recv()
	must(t, err)
	one.server.Stop()
	_, err = stream.Recv()
	failed := ErrorOf(err)
	equal(t, failed.Reason, ReasonConnectionLost)
	equal(t, failed.SafeToRetry() && failed.Temporary(), true)
	_, err = drain(t, client)
	equal(t, ErrorOf(err).Reason, ReasonPermissionDenied)
}

func TestAStreamEndsAsTheMemberEndsIt(t *testing.T) {
	ca := newAuthority(t)
	done := func(context.Context, request, grpc.ServerStream) error { return nil }
	_, err := drain(t, clientOf(t, ca, nil, startFake(t, ca, tell(done, at(0, rows("a"))))))
	equal(t, err, io.EOF)
}

func TestAStreamBeginsAtTheNextMemberIfOneIsDown(t *testing.T) {
	ca := newAuthority(t)
	one, two := startFake(t, ca, ok), startFake(t, ca, tell(gone, at(0, rows("a"))))
	one.server.Stop()
	received, _ := drain(t, clientOf(t, ca, withToken("abc"), one, two))
	equal(t, received, 1)
	equal(t, two.requests()[0].first("authorization"), "Bearer abc")
}

// Of a change that was sent over a stream, nobody knows.
func TestAStreamThatChangesSomethingHasAnUnknownOutcome(t *testing.T) {
	ca := newAuthority(t)
	var member *fake
	member = startFake(t, ca, func(ctx context.Context, r request, s grpc.ServerStream) error {
		go member.server.Stop()
		return hang(ctx, r, s)
	})
	client := clientOf(t, ca, nil, member)
	description := &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}
	stream, err := client.NewStream(context.Background(), description, "/chamois.of_tomorrow.v1.S/Put")
	must(t, err)
	must(t, stream.SendMsg(&watchv1.WatchRequest{}))
	failed := ErrorOf(stream.RecvMsg(&watchv1.WatchResponse{}))
	equal(t, failed.Reason, ReasonOutcomeUnknown)
	equal(t, failed.SafeToRetry(), false)
}

// Connections that were left end with their last call, or a program that runs for months keeps them all.
func TestNoConnectionIsKeptThatIsNotUsed(t *testing.T) {
	ca := newAuthority(t)
	one, two := startFake(t, ca, tell(gone, at(0, rows("a")))), startFake(t, ca, tell(gone, at(0, rows("a"))))
	client := clientOf(t, ca, nil, one, two)
	for range 5 {
		drain(t, client)
	}
	client.connections.mu.Lock()
	defer client.connections.mu.Unlock()
	equal(t, len(client.connections.all), 0)
}
