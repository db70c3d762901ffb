package chamois

import (
	"regexp"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
)

// Members before 0.10 send no details: the reason follows from code and metadata, the rest from their words.
var (
	textInvalid  = regexp.MustCompile(`(?:^|: )([A-Za-z][\w.\[\]/-]*): (.+)$`)
	textNotFound = regexp.MustCompile(`^no such ([^:]+): (.+)$`)
	textExists   = regexp.MustCompile(`^(.+) (\S+) exists already`)
	textRevision = regexp.MustCompile(`^(\S+) is at revision `)
)

// metadataHTTPStatus is what the gateway answers with.
const metadataHTTPStatus = "http-status"

// readText fills in what the details of a newer member would have said.
func (e *Error) readText(trailer metadata.MD) {
	http := first(trailer, metadataHTTPStatus)
	switch e.Code {
	case codes.InvalidArgument:
		e.readInvalid(http)
	case codes.NotFound:
		e.Reason = ReasonNotFound
		e.readObject(textNotFound)
	case codes.AlreadyExists:
		e.Reason = ReasonAlreadyExists
		e.readObject(textExists)
	case codes.Aborted:
		e.Reason = ReasonRevisionMismatch
		if match := textRevision.FindStringSubmatch(e.Message); match != nil {
			e.ID = match[1]
		}
	case codes.FailedPrecondition:
		e.Reason = e.preconditionOf(http)
	case codes.Unavailable:
		e.Reason = e.unavailableOf()
	case codes.ResourceExhausted:
		e.Reason = ReasonTooLarge
		if e.RetryAfter > 0 {
			e.Reason = ReasonOverloaded
		}
	case codes.OutOfRange:
		// a message over the limit is refused before any service sees it
		e.Reason = ReasonCompacted
		if e.OldestRevision == 0 && strings.Contains(e.Message, "too large") {
			e.Reason = ReasonTooLarge
		}
	default:
		e.Reason = reasonOfCode(e.Code)
	}
}

func reasonOfCode(code codes.Code) Reason {
	switch code {
	case codes.Unauthenticated:
		return ReasonUnauthenticated
	case codes.PermissionDenied:
		return ReasonPermissionDenied
	case codes.DeadlineExceeded:
		return ReasonDeadlineExceeded
	case codes.Unimplemented:
		return ReasonNoSuchMethod
	case codes.Internal:
		return ReasonInternal
	case codes.Canceled:
		return ReasonCancelled
	default:
		return ReasonUnknown
	}
}

func (e *Error) readInvalid(http string) {
	e.Reason = ReasonInvalidField
	if http == "422" {
		e.Reason = ReasonRequestDiffers
		return
	}
	if match := textInvalid.FindStringSubmatch(e.Message); match != nil {
		e.Fields = []FieldViolation{{match[1], match[2]}}
	}
}

func (e *Error) readObject(text *regexp.Regexp) {
	if match := text.FindStringSubmatch(e.Message); match != nil {
		e.Kind, e.ID = match[1], match[2]
	}
}

func (e *Error) preconditionOf(http string) Reason {
	switch {
	case http == "304":
		return ReasonNotModified
	case strings.Contains(e.Message, "session"):
		return ReasonSessionExpired
	default:
		return ReasonConflict
	}
}

func (e *Error) unavailableOf() Reason {
	switch {
	case e.OutcomeUnknown:
		return ReasonOutcomeUnknown
	case strings.HasPrefix(e.Message, "no majority"):
		return ReasonNoQuorum
	default:
		return ReasonNotReady
	}
}
