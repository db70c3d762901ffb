package chamois

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// Metadata of errors, beside the details.
const (
	metadataOutcome        = "chamois-outcome"
	metadataRetryAfter     = "retry-after-s"
	metadataRevision       = "revision"
	metadataOldestRevision = "chamois-oldest-revision"
)

// serverError reads what a member answered: the details first, then the metadata, then, for members before 0.10, the text.
func serverError(method string, given *status.Status, trailer metadata.MD) *Error {
	e := &Error{Method: method, Code: given.Code(), Message: given.Message(), cause: given}
	for _, detail := range given.Details() {
		e.readDetail(detail)
	}
	e.readMetadata(trailer)
	if e.Reason == "" {
		e.readText(trailer)
	}
	// the request may be one that was made before its session lapsed
	e.OutcomeUnknown = e.OutcomeUnknown || e.Reason == ReasonSessionExpired
	return e
}

func (e *Error) readDetail(detail any) {
	switch detail := detail.(type) {
	case *errdetails.ErrorInfo:
		e.Reason, e.Metadata = Reason(detail.GetReason()), detail.GetMetadata()
		e.Kind, e.ID = detail.GetMetadata()["kind"], detail.GetMetadata()["id"]
		e.Revision = number(detail.GetMetadata()["actual"])
		e.OldestRevision = number(detail.GetMetadata()["oldest"])
		e.OutcomeUnknown = detail.GetMetadata()["outcome"] == "unknown"
	case *errdetails.BadRequest:
		for _, violation := range detail.GetFieldViolations() {
			e.Fields = append(e.Fields, FieldViolation{violation.GetField(), violation.GetDescription()})
		}
	case *errdetails.RetryInfo:
		e.RetryAfter = detail.GetRetryDelay().AsDuration()
	case *errdetails.ResourceInfo:
		e.Kind, e.ID = detail.GetResourceType(), detail.GetResourceName()
	}
}

func (e *Error) readMetadata(trailer metadata.MD) {
	e.OutcomeUnknown = e.OutcomeUnknown || first(trailer, metadataOutcome) == "unknown"
	if seconds := number(first(trailer, metadataRetryAfter)); e.RetryAfter == 0 && seconds > 0 && seconds < 1<<31 {
		e.RetryAfter = time.Duration(seconds) * time.Second
	}
	if e.Revision == 0 && e.Code == codes.Aborted {
		e.Revision = number(first(trailer, metadataRevision))
	}
	if e.OldestRevision == 0 && e.Code == codes.OutOfRange {
		e.OldestRevision = number(first(trailer, metadataOldestRevision))
	}
}

// localError is for what went wrong before a member answered; nothing was done, as far as this status goes.
func localError(method string, given *status.Status) *Error {
	e := &Error{Method: method, Code: given.Code(), Message: given.Message(), cause: given}
	switch given.Code() {
	case codes.Canceled:
		e.Reason = ReasonCancelled
	case codes.DeadlineExceeded:
		e.Reason = ReasonDeadlineExceeded
	case codes.ResourceExhausted:
		e.Reason = ReasonTooLarge
	case codes.Unavailable:
		e.Reason = ReasonUnreachable
		if strings.Contains(e.Message, "tls: ") || strings.Contains(e.Message, "x509: ") {
			e.Reason = ReasonUntrusted
		}
	default:
		e.Reason = ReasonRefused
	}
	return e
}

// lostError is for a request that may have arrived and has no answer.
func lostError(method, endpoint string, given *status.Status) *Error {
	e := localError(method, given)
	e.OutcomeUnknown = true
	if given.Code() == codes.Unavailable {
		e.Reason = ReasonOutcomeUnknown
		e.Message = fmt.Sprintf("the connection to %s broke: %s", endpoint, given.Message())
	}
	return e
}

// unreachable is for a call that came to no member: what went wrong at each, and whether a certificate did at any.
func unreachable(method string, untrusted bool, problems []string) *Error {
	reason := ReasonUnreachable
	if untrusted {
		reason = ReasonUntrusted
	}
	return &Error{
		Method: method, Code: codes.Unavailable, Reason: reason,
		Message: "no member can be reached: " + strings.Join(problems, "; "),
	}
}

// unknownOutcome is what remains of e when an attempt before it may have done the change.
func (e *Error) unknownOutcome() *Error {
	text := "the outcome is not known: the change may have been made; read back before you repeat"
	unknown := &Error{
		Method: e.Method, Code: e.Code, Reason: ReasonOutcomeUnknown, RetryAfter: max(e.RetryAfter, time.Second), OutcomeUnknown: true,
		Message: fmt.Sprintf("%s (last attempt: %s)", text, e.Message),
	}
	if e.Code != codes.Canceled && e.Code != codes.DeadlineExceeded {
		unknown.Code = codes.Unavailable
	}
	return unknown
}

func first(md metadata.MD, key string) string {
	if values := md.Get(key); len(values) > 0 {
		return values[0]
	}
	return ""
}

// number reads decimal digits; 0 for anything else.
func number(text string) uint64 {
	value, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0
	}
	return value
}
