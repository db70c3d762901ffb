package chamois

import (
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	httpv1 "chamois.dev/sdk/go/gen/chamois/http/v1"
)

// A rule is what the protos say of a method, as far as a client needs it.
type rule struct {
	// It changes nothing, so it may be repeated as often as one likes.
	reads bool
	// It may read whole disks: no attempt is ended because it is slow.
	takesLong bool
}

// ruleOf reads the rule of "/package.Service/Method". Of a method that is not known here everything is taken for a change:
// that is never wrong.
func ruleOf(method string) rule {
	// health and reflection
	if strings.HasPrefix(method, "/grpc.") {
		return rule{reads: true}
	}
	name := strings.ReplaceAll(strings.TrimPrefix(method, "/"), "/", ".")
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
	if err != nil {
		return rule{}
	}
	given, ok := proto.GetExtension(found.Options(), httpv1.E_Method).(*httpv1.MethodRule)
	if !ok {
		return rule{}
	}
	access := given.GetAccess()
	return rule{
		reads: given.GetConsistency() != httpv1.Consistency_CONSISTENCY_UNSPECIFIED &&
			(access == httpv1.Access_ACCESS_UNSPECIFIED || access == httpv1.Access_ACCESS_READ),
		takesLong: given.GetTakesLong(),
	}
}
