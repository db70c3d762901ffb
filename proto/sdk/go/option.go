package chamois

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	httpv1 "chamois.dev/sdk/go/gen/chamois/http/v1"
)

// Metadata of requests and answers that the options stand for.
const (
	metadataConsistency    = "chamois-consistency"
	metadataValidateOnly   = "chamois-validate-only"
	metadataWouldChange    = "chamois-would-change-bin"
	metadataIdempotencyKey = "idempotency-key"
)

// callSettings are what the options of one call ask for.
type callSettings struct {
	local       bool
	key         string
	timeout     time.Duration
	wouldChange *httpv1.WouldChange
}

// A CallOption of this package is given to a generated method as any other grpc.CallOption; other clients ignore it.
type callOption struct {
	grpc.EmptyCallOption
	apply func(*callSettings)
}

// Local lets a read be answered from what the member that is asked has, at once and even without a majority: it may be
// older than what was acknowledged elsewhere.
func Local() grpc.CallOption {
	return callOption{apply: func(s *callSettings) { s.local = true }}
}

// ValidateOnly has a change tried out and not made: the call answers as the change would have been answered, and would is
// what it would change. A method that cannot be tried out refuses it with ReasonInvalidField.
func ValidateOnly(would *httpv1.WouldChange) grpc.CallOption {
	return callOption{apply: func(s *callSettings) { s.wouldChange = would }}
}

// IdempotencyKey names a change, 1 to 255 visible characters: a repeat within 24 hours, even by another process, gets the
// outcome of the first, and another request under the same name is refused (ReasonRequestDiffers). Without it, every call
// is a change of its own, however often the client repeats it.
func IdempotencyKey(key string) grpc.CallOption {
	return callOption{apply: func(s *callSettings) { s.key = key }}
}

// Timeout bounds one call with all its attempts; a deadline of its context that is earlier counts.
func Timeout(atMost time.Duration) grpc.CallOption {
	return callOption{apply: func(s *callSettings) { s.timeout = atMost }}
}

// IfRevision is what the field IfRevision of a change takes, so that it is refused (ReasonRevisionMismatch) when somebody
// else has changed the object since it was read. Nil meta: the object must not exist.
func IfRevision(meta *httpv1.ObjectMeta) *uint64 {
	return proto.Uint64(meta.GetModified().GetRevision())
}

// settingsOf finds this package's options among all.
func settingsOf(options []grpc.CallOption) callSettings {
	var settings callSettings
	for _, option := range options {
		if own, ok := option.(callOption); ok {
			own.apply(&settings)
		}
	}
	return settings
}

// metadata are the keys and values of every attempt.
func (s *callSettings) metadata() []string {
	var pairs []string
	if s.local {
		pairs = append(pairs, metadataConsistency, "local")
	}
	if s.key != "" {
		pairs = append(pairs, metadataIdempotencyKey, s.key)
	}
	if s.wouldChange != nil {
		pairs = append(pairs, metadataValidateOnly, "true")
	}
	return pairs
}

// context bounds a call.
func (s *callSettings) context(ctx context.Context, byDefault time.Duration) (context.Context, context.CancelFunc) {
	if s.timeout > 0 {
		return context.WithTimeout(ctx, s.timeout)
	}
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, byDefault)
}

// readWouldChange takes what a change that was tried out would have done.
func (s *callSettings) readWouldChange(header, trailer metadata.MD) error {
	if s.wouldChange == nil {
		return nil
	}
	text := first(header, metadataWouldChange)
	if text == "" {
		text = first(trailer, metadataWouldChange)
	}
	return proto.Unmarshal([]byte(text), s.wouldChange)
}
