package chamois

import (
	"fmt"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
)

// encoded is a request as it goes over the wire.
type encoded []byte

func encode(request any) (encoded, error) {
	message, ok := request.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("%T is no message", request)
	}
	return proto.MarshalOptions{Deterministic: true}.Marshal(message)
}

// encodedCodec sends requests that are encoded already and decodes answers.
type encodedCodec struct{}

func (encodedCodec) Marshal(request any) (mem.BufferSlice, error) {
	body, ok := request.(encoded)
	if !ok {
		return nil, fmt.Errorf("%T is no encoded message", request)
	}
	return mem.BufferSlice{mem.SliceBuffer(body)}, nil
}

func (encodedCodec) Unmarshal(data mem.BufferSlice, reply any) error {
	message, ok := reply.(proto.Message)
	if !ok {
		return fmt.Errorf("%T is no message", reply)
	}
	return proto.Unmarshal(data.Materialize(), message)
}

// Name is that of the usual codec: it is what the members speak.
func (encodedCodec) Name() string { return "proto" }
