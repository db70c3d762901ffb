package chamois

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// A Reason says why a call failed, finer than a gRPC code. New ones may come: treat an unknown one by its code.
type Reason string

// What a cluster says.
const (
	ReasonInvalidField     Reason = "INVALID_FIELD"     // a field has a value that is not accepted: Error.Fields
	ReasonNotFound         Reason = "NOT_FOUND"         // no such object: Error.Kind, Error.ID
	ReasonAlreadyExists    Reason = "ALREADY_EXISTS"    // the key is taken: Error.Kind, Error.ID
	ReasonConflict         Reason = "CONFLICT"          // the change contradicts what is stored
	ReasonRevisionMismatch Reason = "REVISION_MISMATCH" // the object changed meanwhile: Error.Revision is its revision now
	ReasonSessionExpired   Reason = "SESSION_EXPIRED"   // the repeat comes so late that it might apply twice
	ReasonRequestDiffers   Reason = "REQUEST_DIFFERS"   // another request was made under the same idempotency key
	ReasonUnauthenticated  Reason = "UNAUTHENTICATED"   // no token or certificate, or one that is not accepted
	ReasonPermissionDenied Reason = "PERMISSION_DENIED" // the caller is known and may not do this
	ReasonTooLarge         Reason = "TOO_LARGE"         // a message, list or text is over its limit
	ReasonNoQuorum         Reason = "NO_QUORUM"         // no majority of members; nothing was changed
	ReasonNotReady         Reason = "NOT_READY"         // the member cannot answer yet
	ReasonOutcomeUnknown   Reason = "OUTCOME_UNKNOWN"   // the change may or may not have been made: read back
	ReasonOverloaded       Reason = "OVERLOADED"        // a bound of the member is reached; nothing was changed
	ReasonDeadlineExceeded Reason = "DEADLINE_EXCEEDED" // no answer in time
	ReasonNoSuchMethod     Reason = "NO_SUCH_METHOD"    // the members are of an older version
	ReasonCompacted        Reason = "COMPACTED"         // Error.OldestRevision is the oldest that a watch can go on from
	ReasonNotModified      Reason = "NOT_MODIFIED"      // the caller has the current answer
	ReasonFeatureLevel     Reason = "FEATURE_LEVEL"     // some member is too old for this change
	ReasonStorage          Reason = "STORAGE"           // a member cannot write
	ReasonInternal         Reason = "INTERNAL"          // a bug: the members' logs have more
)

// What this package says by itself.
const (
	ReasonUnreachable    Reason = "UNREACHABLE"     // no member could be connected to, so nothing was sent
	ReasonUntrusted      Reason = "UNTRUSTED"       // a certificate, the member's or the caller's, was not accepted; nothing was sent
	ReasonConnectionLost Reason = "CONNECTION_LOST" // the connection broke during a read
	ReasonCancelled      Reason = "CANCELLED"       // the caller's context was cancelled
	ReasonRefused        Reason = "REFUSED"         // the call could not even be sent: credentials or a message that cannot be used
	ReasonUnknown        Reason = "UNKNOWN"         // no error of a Chamois cluster
)

// A FieldViolation names a field of the request, what is wrong with it, and what is accepted.
type FieldViolation struct{ Field, Description string }

// Error is the error of every call, and of the streams and iterators of this package.
type Error struct {
	// Method that was called, "/chamois.smd.v1.GroupService/CreateGroup".
	Method string
	Code   codes.Code
	Reason Reason
	// Message says to people what happened and what to do.
	Message string
	// Fields are the fields that are not accepted, with ReasonInvalidField.
	Fields []FieldViolation
	// Kind and ID are the object that is meant, if it is one.
	Kind, ID string
	// Revision is what the object is at, with ReasonRevisionMismatch.
	Revision uint64
	// OldestRevision is what a watch can go on from, with ReasonCompacted.
	OldestRevision uint64
	// RetryAfter is when a repeat makes sense; 0: the cluster names no time.
	RetryAfter time.Duration
	// OutcomeUnknown: the change may or may not have been made. Read back before you repeat it.
	OutcomeUnknown bool
	// Metadata is what else the cluster says of the reason, e.g. "limit" of ReasonTooLarge.
	Metadata map[string]string

	cause *status.Status
}

// ErrorOf finds the Error in err; nil if err is nil. An error that is none of a call has ReasonUnknown.
func ErrorOf(err error) *Error {
	if err == nil {
		return nil
	}
	var found *Error
	if errors.As(err, &found) {
		return found
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return localError("", status.FromContextError(err))
	}
	given, _ := status.FromError(err)
	return serverError("", given, nil)
}

// Error is the reason and the message.
func (e *Error) Error() string {
	if e.Method == "" {
		return fmt.Sprintf("%s: %s", e.Reason, e.Message)
	}
	return fmt.Sprintf("%s: %s: %s", strings.TrimPrefix(e.Method, "/"), e.Reason, e.Message)
}

// SafeToRetry reports whether the same call may be made again without anything being done twice: it only read, or nothing
// was done. Whether that helps is another question: Temporary.
func (e *Error) SafeToRetry() bool { return !e.OutcomeUnknown }

// Temporary reports whether the same call may well succeed later, after RetryAfter.
func (e *Error) Temporary() bool {
	switch e.Reason {
	case ReasonNoQuorum, ReasonNotReady, ReasonOverloaded, ReasonUnreachable, ReasonConnectionLost, ReasonDeadlineExceeded,
		ReasonOutcomeUnknown:
		return true
	default:
		return e.RetryAfter > 0
	}
}

// GRPCStatus lets status.FromError and status.Code read the error.
func (e *Error) GRPCStatus() *status.Status {
	if e.cause != nil {
		return e.cause
	}
	return status.New(e.Code, e.Message)
}

// Is lets errors.Is find the context's errors.
func (e *Error) Is(target error) bool {
	return (e.Code == codes.Canceled && target == context.Canceled) ||
		(e.Code == codes.DeadlineExceeded && target == context.DeadlineExceeded)
}
