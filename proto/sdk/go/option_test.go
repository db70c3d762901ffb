package chamois

import (
	"context"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	httpv1 "chamois.dev/sdk/go/gen/chamois/http/v1"
)

func TestOptionsBecomeMetadata(t *testing.T) {
	ca := newAuthority(t)
	member := startFake(t, ca, ok)
	client := clientOf(t, ca, nil, member)
	must(t, get(context.Background(), client, Local()))
	must(t, create(context.Background(), client, IdempotencyKey("import-7")))
	seen := member.requests()
	equal(t, seen[0].first(metadataConsistency), "local")
	equal(t, seen[1].first(metadataIdempotencyKey), "import-7")
	equal(t, seen[1].first(metadataSeq), "") // one way of being recognised is enough
}

// What would change comes beside the answer, be it a success or a refusal.
func TestWhatWouldChangeIsReadFromTheAnswer(t *testing.T) {
	ca := newAuthority(t)
	encoded, err := proto.Marshal(&httpv1.WouldChange{Changes: []*httpv1.ObjectChange{{Kind: "group", Id: "g"}}})
	must(t, err)
	told := metadata.Pairs(metadataWouldChange, string(encoded))
	asHeader := func(ctx context.Context, r request, stream grpc.ServerStream) error {
		must(t, stream.SetHeader(told))
		return ok(ctx, r, stream)
	}
	member := startFake(t, ca, asHeader)
	would := &httpv1.WouldChange{}
	must(t, create(context.Background(), clientOf(t, ca, nil, member), ValidateOnly(would)))
	equal(t, would.GetChanges()[0].GetId(), "g")
	equal(t, member.requests()[0].first(metadataValidateOnly), "true")
	equal(t, member.requests()[0].first(metadataSeq), "") // it changes nothing
}

// The member dies while it tries something out: nothing was changed, so nothing is unknown.
func TestATrialHasNoUnknownOutcome(t *testing.T) {
	ca := newAuthority(t)
	member := startFake(t, ca, refuse(codes.Internal, "a bug", metadataOutcome, "unknown"))
	failed := ErrorOf(create(context.Background(), clientOf(t, ca, nil, member), ValidateOnly(&httpv1.WouldChange{})))
	equal(t, failed.SafeToRetry(), true)
	equal(t, status.Code(failed), codes.Internal)
}

func TestTheRevisionOfAnObjectIsThatOfItsLastChange(t *testing.T) {
	meta := &httpv1.ObjectMeta{Created: &httpv1.Change{Revision: 3}, Modified: &httpv1.Change{Revision: 7}}
	equal(t, *IfRevision(meta), 7)
	equal(t, *IfRevision(nil), 0)
}

func TestTheProtosSayWhatIsARead(t *testing.T) {
	equal(t, ruleOf("/chamois.smd.v1.GroupService/GetGroup").reads, true)
	equal(t, ruleOf("/chamois.smd.v1.GroupService/CreateGroup").reads, false)
	equal(t, ruleOf("/grpc.health.v1.Health/Check").reads, true)
	equal(t, ruleOf("/chamois.of_tomorrow.v1.S/Get").reads, false)
}
