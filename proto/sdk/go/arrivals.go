package chamois

import (
	"context"
	"sync/atomic"

	"google.golang.org/grpc/stats"
)

// An arrival is how far one attempt came: after an error it decides whether anything can have been done.
type arrival struct {
	// The request was handed to a connection: it may have reached the member.
	sent atomic.Bool
	// The member's own status has come, whatever it says.
	answered atomic.Bool
}

type arrivalKey struct{}

// withArrival lets a notice how far the attempts of ctx come.
func withArrival(ctx context.Context, a *arrival) context.Context {
	return context.WithValue(ctx, arrivalKey{}, a)
}

// arrivals fills in the arrival of each attempt.
type arrivals struct{}

func (arrivals) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

func (arrivals) HandleRPC(ctx context.Context, event stats.RPCStats) {
	a, ok := ctx.Value(arrivalKey{}).(*arrival)
	if !ok {
		return
	}
	switch event.(type) {
	case *stats.OutPayload:
		a.sent.Store(true)
	case *stats.InTrailer:
		a.answered.Store(true)
	}
}

func (arrivals) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

func (arrivals) HandleConn(context.Context, stats.ConnStats) {}
