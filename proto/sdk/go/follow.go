package chamois

import (
	"context"
	"errors"
	"io"
	"iter"
	"sort"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	watchv1 "chamois.dev/sdk/go/gen/chamois/watch/v1"
)

const (
	// progressByDefault is the pause between progress marks of a request that does not say.
	progressByDefault = 5 * time.Second
	// silenceAfter a mark is due, a member counts as frozen.
	silenceAfter = 15 * time.Second
	// followPauseMax is the longest pause before a new attempt.
	followPauseMax = 2 * time.Second
)

// Follow follows the state of a cluster through whichever member answers: every change once, in order. When a member goes,
// it goes on at another one where it was, and begins again with the state where that is impossible. Not for use by several
// goroutines at once.
type Follow struct {
	client  watchv1.WatchServiceClient
	request *watchv1.WatchRequest
	silence time.Duration
	// events of a revision that is not complete yet
	partial []*watchv1.Event
	pause   time.Duration
}

// NewFollow follows with the filters of request, from its FromRevision on (0: the state first). Nothing is sent yet.
func NewFollow(conn grpc.ClientConnInterface, request *watchv1.WatchRequest) *Follow {
	own, ok := proto.Clone(request).(*watchv1.WatchRequest)
	if !ok || own == nil {
		own = &watchv1.WatchRequest{}
	}
	progress := time.Duration(own.GetProgressIntervalMs()) * time.Millisecond
	if progress == 0 {
		progress = progressByDefault
	}
	return &Follow{
		client: watchv1.NewWatchServiceClient(conn), request: own, silence: progress + silenceAfter, pause: pauseMin,
	}
}

// Cursor is where a new watch would go on: its FromRevision and ClusterId, to be kept together. 0 as long as the state was
// not told whole. What All yielded last is before it, so it is saved after that has been dealt with.
func (f *Follow) Cursor() (revision uint64, clusterID string) {
	return f.request.GetFromRevision(), f.request.GetClusterId()
}

// All yields what comes, as long as it takes, whatever members do meanwhile, until ctx ends. The one error is the last: ctx's,
// or a request or credentials that no member would accept. A loop that was left goes on with another All where it was.
func (f *Follow) All(ctx context.Context) iter.Seq2[Told, error] {
	return func(yield func(Told, error) bool) {
		for {
			err := f.stream(ctx, func(told Told) bool { return yield(told, nil) })
			if err == nil {
				return
			}
			if err = f.recover(ctx, ErrorOf(err)); err != nil {
				yield(nil, err)
				return
			}
		}
	}
}

// stream yields what one stream tells. Nil: the loop was left.
func (f *Follow) stream(ctx context.Context, yield func(Told) bool) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silent := time.AfterFunc(f.silence, func() { cancel(errSilent) })
	defer silent.Stop()
	stream, err := f.client.Watch(ctx, f.request)
	if err != nil {
		return f.orSilent(ctx, err)
	}
	f.partial = nil
	begins := f.request.GetFromRevision() == 0
	for {
		silent.Reset(f.silence)
		response, err := stream.Recv()
		if err != nil {
			return f.orSilent(ctx, err)
		}
		silent.Stop() // how long the loop takes is its own business
		if begins && !yield(Begins{}) {
			return nil
		}
		begins = false
		more := f.take(response, yield)
		if !more {
			return nil
		}
		if !response.GetHeader().GetHasMajority() {
			return errBehind
		}
	}
}

var (
	errSilent = status.Error(codes.Unavailable, "the member is silent")
	errBehind = status.Error(codes.Unavailable, "the member has no majority: others may know more")
)

// orSilent names the reason of a stream that was ended for its silence.
func (f *Follow) orSilent(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), errSilent) {
		return errSilent
	}
	if errors.Is(err, io.EOF) {
		return status.Error(codes.Unavailable, "the watch ended without a reason")
	}
	return err
}

// take yields what response tells, and moves the cursor on before that.
func (f *Follow) take(response *watchv1.WatchResponse, yield func(Told) bool) bool {
	f.pause = pauseMin
	revision := response.GetHeader().GetRevision()
	var told []Told
	switch message := response.GetMessage().(type) {
	case *watchv1.WatchResponse_Events_:
		f.partial = append(f.partial, message.Events.GetEvents()...)
		if !message.Events.GetContinued() {
			told, f.partial = append(told, Events(f.partial)), nil
		} else if whole := f.whole(revision); len(whole) > 0 {
			told = append(told, Events(whole))
		}
	case *watchv1.WatchResponse_Rows_:
		told = append(told, Rows(message.Rows.GetObjects()))
	case *watchv1.WatchResponse_SnapshotEnd_:
		told = append(told, StateEnds{revision})
	case *watchv1.WatchResponse_Progress_:
		told = append(told, Progress{revision})
	}
	f.request.FromRevision, f.request.ClusterId = revision, response.GetHeader().GetClusterId()
	for _, one := range told {
		if !yield(one) {
			return false
		}
	}
	return true
}

// whole takes the events of complete revisions out of partial: the others count as not told, they would be told again.
func (f *Follow) whole(revision uint64) []*watchv1.Event {
	n := sort.Search(len(f.partial), func(i int) bool { return f.partial[i].GetRevision() > revision })
	whole := f.partial[:n:n]
	f.partial = f.partial[n:]
	return whole
}

// recover prepares the next attempt after failed, or gives back why there is none.
func (f *Follow) recover(ctx context.Context, failed *Error) error {
	if ctx.Err() != nil {
		return failed
	}
	switch failed.Code {
	case codes.OutOfRange:
		f.request.FromRevision, f.request.ClusterId = 0, ""
		return nil
	case codes.InvalidArgument, codes.NotFound, codes.AlreadyExists, codes.PermissionDenied, codes.Unauthenticated,
		codes.FailedPrecondition, codes.Unimplemented:
		return failed
	}
	if failed.Reason == ReasonRefused || !wait(ctx, f.pause) {
		return failed
	}
	f.pause = min(2*f.pause, followPauseMax)
	return nil
}
