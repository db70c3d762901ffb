package chamois

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"
)

func info(reason Reason, pairs ...string) *errdetails.ErrorInfo {
	made := &errdetails.ErrorInfo{Reason: string(reason), Domain: "chamois", Metadata: map[string]string{}}
	for i := 0; i < len(pairs); i += 2 {
		made.Metadata[pairs[i]] = pairs[i+1]
	}
	return made
}

func detailed(t *testing.T, code codes.Code, details ...protoadapt.MessageV1) *Error {
	t.Helper()
	with, err := status.New(code, "text").WithDetails(details...)
	must(t, err)
	return ErrorOf(with.Err())
}

func TestDetailsAreReadFromAnyError(t *testing.T) {
	e := detailed(t, codes.InvalidArgument, info(ReasonInvalidField, "field", "id"),
		&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: "id", Description: "no xname"}}})
	equal(t, e.Reason, ReasonInvalidField)
	equal(t, e.Fields[0], FieldViolation{"id", "no xname"})

	e = detailed(t, codes.Unavailable, info(ReasonNoQuorum), &errdetails.RetryInfo{RetryDelay: durationpb.New(3 * time.Second)})
	equal(t, e.RetryAfter, 3*time.Second)
	equal(t, e.SafeToRetry() && e.Temporary(), true)

	e = detailed(t, codes.Aborted, info(ReasonRevisionMismatch, "id", "x0", "expected", "1", "actual", "7"))
	equal(t, e.ID, "x0")
	equal(t, e.Revision, 7)

	e = detailed(t, codes.NotFound, info(ReasonNotFound, "kind", "component", "id", "x0"),
		&errdetails.ResourceInfo{ResourceType: "component", ResourceName: "x0"})
	equal(t, e.Kind+" "+e.ID, "component x0")

	e = detailed(t, codes.Unavailable, info(ReasonOutcomeUnknown, "outcome", "unknown"))
	equal(t, e.SafeToRetry(), false)

	e = detailed(t, codes.OutOfRange, info(ReasonCompacted, "oldest", "40"))
	equal(t, e.OldestRevision, 40)

	e = detailed(t, codes.ResourceExhausted, info(ReasonTooLarge, "what", "the message", "limit", "16 MiB"))
	equal(t, e.Metadata["limit"], "16 MiB")
}

// Members before 0.10 send metadata and words only.
func TestErrorsWithoutDetailsHaveTheirReasonsToo(t *testing.T) {
	for _, c := range []struct {
		code   codes.Code
		text   string
		pairs  []string
		reason Reason
	}{
		{codes.InvalidArgument, "id: not an xname", nil, ReasonInvalidField},
		{codes.InvalidArgument, "another request was made", []string{"http-status", "422"}, ReasonRequestDiffers},
		{codes.NotFound, "no such component: x0", nil, ReasonNotFound},
		{codes.AlreadyExists, "group g exists already", nil, ReasonAlreadyExists},
		{codes.FailedPrecondition, "x0 is locked", []string{"http-status", "409"}, ReasonConflict},
		{codes.Aborted, "x0 is at revision 7, not 1", []string{"revision", "7"}, ReasonRevisionMismatch},
		{codes.FailedPrecondition, "this client's session has expired", nil, ReasonSessionExpired},
		{codes.Unauthenticated, "no token", nil, ReasonUnauthenticated},
		{codes.PermissionDenied, "not you", nil, ReasonPermissionDenied},
		{codes.ResourceExhausted, "the body is larger than the limit of 1 MiB", nil, ReasonTooLarge},
		{codes.Unavailable, "no majority of members can be reached", []string{"retry-after-s", "1"}, ReasonNoQuorum},
		{codes.Unavailable, "this member is not ready: it starts", []string{"retry-after-s", "1"}, ReasonNotReady},
		{codes.Unavailable, "the outcome is not known", []string{"chamois-outcome", "unknown"}, ReasonOutcomeUnknown},
		{codes.ResourceExhausted, "too many calls at once", []string{"retry-after-s", "1"}, ReasonOverloaded},
		{codes.DeadlineExceeded, "no answer within 1 s", []string{"chamois-outcome", "unknown"}, ReasonDeadlineExceeded},
		{codes.Unimplemented, "no such method", nil, ReasonNoSuchMethod},
		{codes.OutOfRange, "too far back", []string{"chamois-oldest-revision", "40"}, ReasonCompacted},
		{codes.OutOfRange, "decoded message length too large", nil, ReasonTooLarge},
		{codes.FailedPrecondition, "not modified", []string{"http-status", "304"}, ReasonNotModified},
		{codes.Internal, "a bug", nil, ReasonInternal},
		{codes.Canceled, "gone", nil, ReasonCancelled},
		{codes.DataLoss, "?", nil, ReasonUnknown},
	} {
		e := serverError("/s/M", status.New(c.code, c.text), metadata.Pairs(c.pairs...))
		if e.Reason != c.reason {
			t.Errorf("%s %q: %s, want %s", c.code, c.text, e.Reason, c.reason)
		}
	}
}

func TestTheWordsOfOldMembersNameFieldsAndObjects(t *testing.T) {
	e := ErrorOf(status.Error(codes.InvalidArgument, "id: not an xname"))
	equal(t, e.Fields[0], FieldViolation{"id", "not an xname"})
	e = ErrorOf(status.Error(codes.InvalidArgument, "couldn't validate components: Components[0].ID: `?` is not an xname: write"))
	equal(t, e.Fields[0], FieldViolation{"Components[0].ID", "`?` is not an xname: write"})
	e = ErrorOf(status.Error(codes.NotFound, "no such component: x0"))
	equal(t, e.Kind+"/"+e.ID, "component/x0")
	e = ErrorOf(status.Error(codes.AlreadyExists, "boot parameters x0 exists already: NID 5 is x1's"))
	equal(t, e.Kind+"/"+e.ID, "boot parameters/x0")
	e = ErrorOf(status.Error(codes.Aborted, "x0 is at revision 7, not 1; read it again"))
	equal(t, e.ID, "x0")
}

func TestAnErrorIsFoundInWhatWrapsIt(t *testing.T) {
	inner := &Error{Code: codes.NotFound, Reason: ReasonNotFound, Message: "no such component: x0", Method: "/a.B/C"}
	wrapped := fmt.Errorf("step 3: %w", inner)
	equal(t, ErrorOf(wrapped), inner)
	equal(t, status.Code(wrapped), codes.NotFound)
	equal(t, inner.Error(), "a.B/C: NOT_FOUND: no such component: x0")
}

func TestWhatIsNoErrorOfACallIsToldApart(t *testing.T) {
	equal(t, ErrorOf(nil), nil)
	equal(t, ErrorOf(errors.New("disk full")).Reason, ReasonUnknown)
	equal(t, ErrorOf(fmt.Errorf("x: %w", context.Canceled)).Reason, ReasonCancelled)
}
