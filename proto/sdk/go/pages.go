package chamois

import (
	"context"
	"fmt"
	"iter"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// pageSizeDefault is how many objects a page has if the request does not say.
const pageSizeDefault = 1000

// A List is a method that lists pages, as a generated client has it: client.ListComponents.
type List[Req, Resp proto.Message] func(context.Context, Req, ...grpc.CallOption) (Resp, error)

// Pages yields the answers of list, page after page, from the page of request on; an error is the last that it yields. The
// request is not changed, and has 1,000 objects a page if it does not say how many.
func Pages[Req, Resp proto.Message](
	ctx context.Context, list List[Req, Resp], request Req, options ...grpc.CallOption,
) iter.Seq2[Resp, error] {
	return func(yield func(Resp, error) bool) {
		next, ok := proto.Clone(request).(Req)
		if !ok || !hasPages(next.ProtoReflect().Descriptor()) {
			var none Resp
			yield(none, noPages(request))
			return
		}
		page := next.ProtoReflect()
		size, token := pageFields(page.Descriptor())
		if !page.Has(size) {
			page.Set(size, protoreflect.ValueOfUint32(pageSizeDefault))
		}
		for {
			answer, err := list(ctx, next, options...)
			if err != nil {
				yield(answer, ErrorOf(err))
				return
			}
			following := nextToken(answer)
			if !yield(answer, nil) || following == "" {
				return
			}
			page.Set(token, protoreflect.ValueOfString(following))
		}
	}
}

// Items yields the objects of all pages of list; items is the getter of the answer's list. An error is the last that it
// yields.
//
//	request := &smdv1.ListComponentsRequest{Type: []string{"Node"}}
//	components := (*smdv1.ListComponentsResponse).GetComponents
//	for node, err := range chamois.Items(ctx, smd.ListComponents, request, components) {
func Items[Req, Resp proto.Message, T any](
	ctx context.Context, list List[Req, Resp], request Req, items func(Resp) []T, options ...grpc.CallOption,
) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for answer, err := range Pages(ctx, list, request, options...) {
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, item := range items(answer) {
				if !yield(item, nil) {
					return
				}
			}
		}
	}
}

func pageFields(message protoreflect.MessageDescriptor) (size, token protoreflect.FieldDescriptor) {
	return message.Fields().ByName("page_size"), message.Fields().ByName("page_token")
}

func hasPages(message protoreflect.MessageDescriptor) bool {
	size, token := pageFields(message)
	return size != nil && token != nil && size.Kind() == protoreflect.Uint32Kind && token.Kind() == protoreflect.StringKind
}

// nextToken is the answer's next_page_token; empty if there are no more pages.
func nextToken(answer proto.Message) string {
	message := answer.ProtoReflect()
	if field := message.Descriptor().Fields().ByName("next_page_token"); field != nil {
		return message.Get(field).String()
	}
	return ""
}

func noPages(request proto.Message) *Error {
	text := fmt.Sprintf("%s has no pages (no fields page_size and page_token): call the method itself", proto.MessageName(request))
	return localError("", status.New(codes.InvalidArgument, text))
}
