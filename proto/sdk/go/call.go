package chamois

import (
	"context"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// Pause before an attempt after one that failed, doubled each time.
const (
	pauseMin = 50 * time.Millisecond
	pauseMax = time.Second
)

// A call is one unary call, however many attempts it takes.
type call struct {
	method   string
	rule     rule
	settings callSettings
	options  []grpc.CallOption
	request  encoded
	reply    any
	ticket   *ticket
}

func (c *Client) newCall(method string, request, reply any, options []grpc.CallOption) (*call, error) {
	// once, and the same bytes for every attempt: a repeat with other bytes is another request
	body, err := encode(request)
	if err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "the request cannot be encoded: %v", err)
	}
	made := &call{
		method: method, rule: ruleOf(method), settings: settingsOf(options), options: options,
		request: body, reply: reply,
	}
	// what is only tried out changes nothing
	made.rule.reads = made.rule.reads || made.settings.wouldChange != nil
	return made, nil
}

// numbered: a change that has no name of its own gets a number in the session.
func (c *call) numbered() bool { return !c.rule.reads && c.settings.key == "" }

// metadata are the keys and values of the next attempt.
func (c *call) metadata() []string {
	pairs := c.settings.metadata()
	if c.ticket != nil {
		pairs = append(pairs, c.ticket.metadata()...)
	}
	return pairs
}

// settle makes attempts until one has an outcome, or none of the members can be reached, or the time is over.
func (c *Client) settle(ctx context.Context, call *call) *Error {
	unknown := false
	patience, pause := c.config.attemptTimeout(), pauseMin
	for {
		failed := c.attempt(ctx, call, patience)
		if failed == nil || !(unknown || isOpen(failed)) {
			return failed
		}
		if !isPassing(failed.Code) {
			// it did not look at what an attempt before has done
			if unknown && (!isOutcome(failed.Code) || failed.OutcomeUnknown) {
				return failed.unknownOutcome()
			}
			return failed
		}
		unknown = unknown || failed.OutcomeUnknown && !call.rule.reads
		if !wait(ctx, pause) {
			if unknown {
				return failed.unknownOutcome()
			}
			return failed
		}
		pause = min(2*pause, pauseMax)
		if failed.Code == codes.DeadlineExceeded {
			patience = min(2*patience, timeoutOfLong)
		}
	}
}

// attempt asks the member in use, or the next one that can be reached.
func (c *Client) attempt(ctx context.Context, call *call, patience time.Duration) *Error {
	return c.reach(ctx, call, func(ctx context.Context, used *connection, seen *arrival) *Error {
		defer c.connections.done(used)
		bounded, cancel := ctx, context.CancelFunc(func() {})
		if !call.rule.takesLong {
			bounded, cancel = context.WithTimeout(ctx, patience)
		}
		defer cancel()
		var header, trailer metadata.MD
		options := append(slices.Clip(call.options),
			grpc.Header(&header), grpc.Trailer(&trailer), grpc.ForceCodecV2(encodedCodec{}))
		err := used.conn.Invoke(bounded, call.method, call.request, call.reply, options...)
		if err == nil {
			err = call.settings.readWouldChange(header, trailer)
		}
		if err == nil {
			return nil
		}
		if bounded.Err() != nil && ctx.Err() == nil {
			// it hangs: whoever asks next, asks the next member
			c.connections.leave(used)
		}
		return call.failure(err, used, seen, trailer)
	})
}

// reach runs one attempt at each endpoint until it came to one, and once more: the connection in use may have died since
// the last call. Which member is asked next, follows from what came of it.
func (c *Client) reach(
	ctx context.Context, call *call, once func(context.Context, *connection, *arrival) *Error,
) *Error {
	var problems []string
	untrusted := false
	for range len(c.config.Endpoints) + 1 {
		pairs, err := c.authorized(ctx, call.metadata())
		if err != nil {
			return localError(call.method, status.Convert(err))
		}
		used, err := c.connections.take()
		if err != nil {
			return localError(call.method, status.Convert(err))
		}
		seen := &arrival{}
		last := once(metadata.AppendToOutgoingContext(withArrival(ctx, seen), pairs...), used, seen)
		if last == nil {
			return nil
		}
		if last.Code == codes.Unavailable && (!seen.answered.Load() || len(c.config.Endpoints) > 1) {
			c.connections.leave(used)
		}
		unreached := last.Code == codes.Unavailable || last.Code == codes.DeadlineExceeded
		if seen.sent.Load() || seen.answered.Load() || !unreached || ctx.Err() != nil {
			return last
		}
		untrusted = untrusted || last.Reason == ReasonUntrusted
		if problem := used.endpoint + ": " + last.Message; !slices.Contains(problems, problem) {
			problems = append(problems, problem)
		}
	}
	return unreachable(call.method, untrusted, problems)
}

// failure says what an attempt's error means.
func (c *call) failure(err error, used *connection, seen *arrival, trailer metadata.MD) *Error {
	given := status.Convert(err)
	var failed *Error
	switch {
	case seen.answered.Load():
		failed = serverError(c.method, given, trailer)
	case seen.sent.Load():
		failed = lostError(c.method, used.endpoint, given)
	default:
		failed = localError(c.method, given)
	}
	// what only reads is done or not done, nobody minds which
	if c.rule.reads && failed.OutcomeUnknown {
		failed.OutcomeUnknown = false
		if failed.Reason == ReasonOutcomeUnknown {
			failed.Reason = ReasonConnectionLost
		}
	}
	return failed
}

// isOpen: another attempt may do, or nobody knows what was done. Where no member at all can be reached, the caller is told
// at once.
func isOpen(failed *Error) bool {
	switch failed.Reason {
	case ReasonUnreachable, ReasonUntrusted, ReasonRefused:
		return false
	default:
		return failed.OutcomeUnknown || failed.RetryAfter > 0 || isPassing(failed.Code) && failed.Reason != ReasonTooLarge
	}
}

// isPassing: a later attempt may have another answer.
func isPassing(code codes.Code) bool {
	return code == codes.Unavailable || code == codes.DeadlineExceeded || code == codes.ResourceExhausted
}

// isOutcome: the replicated state may have answered; what a member refuses by itself says nothing of earlier attempts.
func isOutcome(code codes.Code) bool {
	switch code {
	case codes.OK, codes.InvalidArgument, codes.NotFound, codes.AlreadyExists, codes.FailedPrecondition, codes.Aborted,
		codes.OutOfRange:
		return true
	default:
		return false
	}
}

// wait pauses; false if ctx ends before that.
func wait(ctx context.Context, pause time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ctx.Err() != nil || ok && time.Until(deadline) <= pause {
		return false
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
