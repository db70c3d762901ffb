package chamois

import (
	"context"
	"errors"
	"io"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// A stream is a grpc.ClientStream whose errors are of type *Error, and whose end frees its connection.
type stream struct {
	grpc.ClientStream
	client      *Client
	call        *call
	description *grpc.StreamDesc
	used        *connection
	seen        *arrival
	free        func()
}

func newStream(
	client *Client, call *call, description *grpc.StreamDesc, used *connection, seen *arrival, begun grpc.ClientStream,
) *stream {
	free := sync.OnceFunc(func() { client.connections.done(used) })
	// who stops reading cancels the context
	context.AfterFunc(begun.Context(), free)
	return &stream{begun, client, call, description, used, seen, free}
}

// RecvMsg gives the next message; io.EOF after the last.
func (s *stream) RecvMsg(message any) error {
	err := s.ClientStream.RecvMsg(message)
	if err == nil && s.description.ServerStreams {
		return nil
	}
	s.free()
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	return s.failure(err)
}

// SendMsg sends a message; io.EOF if the call has ended, RecvMsg then says why.
func (s *stream) SendMsg(message any) error {
	err := s.ClientStream.SendMsg(message)
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	return s.failure(err)
}

func (s *stream) failure(err error) error {
	failed := s.call.failure(err, s.used, s.seen, s.Trailer())
	if compacted := s.compacted(failed); compacted != nil {
		return compacted
	}
	if failed.Code == codes.Unavailable {
		s.client.connections.leave(s.used)
	}
	return failed
}

// compacted reads the one refusal of a watch that has a remedy from members before 0.10: their refusals of streams end with an
// empty message after the headers, so that gRPC does not see the status.
func (s *stream) compacted(failed *Error) *Error {
	if failed.Code != codes.Internal || s.seen.answered.Load() {
		return nil
	}
	header, err := s.Header()
	if err != nil || first(header, metadataOldestRevision) == "" {
		return nil
	}
	given := status.New(codes.OutOfRange, "the changes after this revision are not kept any more; begin again with 0")
	return serverError(s.call.method, given, header)
}
