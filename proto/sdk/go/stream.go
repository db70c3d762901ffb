package chamois

import (
	"context"
	"errors"
	"io"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
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
	if failed.Code == codes.Unavailable {
		s.client.connections.leave(s.used)
	}
	return failed
}
