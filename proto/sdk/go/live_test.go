package chamois

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"

	bssv1 "chamois.dev/sdk/go/gen/chamois/bss/v1"
	clusterv1 "chamois.dev/sdk/go/gen/chamois/cluster/v1"
	httpv1 "chamois.dev/sdk/go/gen/chamois/http/v1"
	smdv1 "chamois.dev/sdk/go/gen/chamois/smd/v1"
	watchv1 "chamois.dev/sdk/go/gen/chamois/watch/v1"
	"chamois.dev/sdk/go/internal/livetest"
)

// live is a real cluster of three members, shared by all tests; nil without an executable.
var live *livetest.Cluster

func TestMain(m *testing.M) {
	started, err := livetest.Start(3)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	live = started
	code := m.Run()
	if live != nil {
		live.Stop()
	}
	os.Exit(code)
}

// dialLive is an administrator's client of the real cluster.
func dialLive(t *testing.T, change func(*Config)) *Client {
	t.Helper()
	if live == nil {
		t.Skip("there is no chamois: build it, or name it in CHAMOIS_BIN")
	}
	config := Config{Endpoints: live.Endpoints, CA: live.CA, Token: live.Token}
	if change != nil {
		change(&config)
	}
	client, err := Dial(context.Background(), config)
	must(t, err)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// shortly is a context for what takes a moment.
func shortly(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	t.Cleanup(cancel)
	return ctx
}

var labels atomic.Uint64

// unused is a label that no test has used, however often the tests run.
func unused(name string) string { return fmt.Sprintf("go-%s-%d", name, labels.Add(1)) }

// createNodes makes nodes of one cabinet.
func createNodes(t *testing.T, client *Client, cabinet, count int) {
	t.Helper()
	request := &smdv1.CreateComponentsRequest{}
	for i := range count {
		request.Components = append(request.Components, &smdv1.Component{
			Id: nodeID(cabinet, i), State: smdv1.Component_STATE_ON, Flag: smdv1.Component_FLAG_OK,
		})
	}
	_, err := smdv1.NewComponentServiceClient(client).CreateComponents(shortly(t), request)
	must(t, err)
}

func nodeID(cabinet, i int) string { return fmt.Sprintf("x%dc%ds%db0n0", cabinet, i/64, i%64) }

// failsWith asserts the reason of an error, and what it says of a retry.
func failsWith(t *testing.T, err error, reason Reason, safe bool) *Error {
	t.Helper()
	failed := ErrorOf(err)
	if failed == nil || failed.Reason != reason || failed.SafeToRetry() != safe {
		t.Fatalf("%v (%+v), want %s, safe to retry: %v", err, failed, reason, safe)
	}
	return failed
}

func TestLivePagesListEveryNodeOnce(t *testing.T) {
	client := dialLive(t, nil)
	createNodes(t, client, 2100, 50)
	smd := smdv1.NewComponentServiceClient(client)
	seen := map[string]bool{}
	request := &smdv1.ListComponentsRequest{Type: []string{"Node"}, PageSize: 7}
	for node, err := range Items(shortly(t), smd.ListComponents, request, (*smdv1.ListComponentsResponse).GetComponents) {
		must(t, err)
		if seen[node.GetId()] {
			t.Fatalf("%s twice", node.GetId())
		}
		seen[node.GetId()] = true
	}
	for i := range 50 {
		equal(t, seen[nodeID(2100, i)], true)
	}
}

func TestLiveErrorsAboutObjectsNameThem(t *testing.T) {
	client, ctx := dialLive(t, nil), shortly(t)
	smd, groups := smdv1.NewComponentServiceClient(client), smdv1.NewGroupServiceClient(client)
	_, err := smd.GetComponent(ctx, &smdv1.GetComponentRequest{Id: "x9999c0s0b0n0"})
	failed := failsWith(t, err, ReasonNotFound, true)
	equal(t, failed.ID, "x9999c0s0b0n0")
	bad := &smdv1.CreateComponentsRequest{Components: []*smdv1.Component{{Id: "no xname"}}}
	_, err = smd.CreateComponents(ctx, bad)
	failed = failsWith(t, err, ReasonInvalidField, true)
	if len(failed.Fields) != 1 {
		t.Fatalf("%v", failed)
	}
	twice := &smdv1.Group{Label: unused("twice")}
	_, err = groups.CreateGroup(ctx, twice)
	must(t, err)
	_, err = groups.CreateGroup(ctx, twice)
	failed = failsWith(t, err, ReasonAlreadyExists, true)
	equal(t, failed.ID, twice.GetLabel())
}

// Two writers read one revision; the second must lose, learn the current one, and may then write.
func TestLiveAStaleRevisionIsRefusedWithTheCurrentOne(t *testing.T) {
	client, ctx := dialLive(t, nil), shortly(t)
	createNodes(t, client, 2200, 1)
	smd := smdv1.NewComponentServiceClient(client)
	read, err := smd.GetComponent(ctx, &smdv1.GetComponentRequest{Id: nodeID(2200, 0)})
	must(t, err)
	patch := &smdv1.PatchStateDataRequest{
		Id: read.GetId(), State: smdv1.Component_STATE_READY, IfRevision: IfRevision(read.GetMeta()),
	}
	_, err = smd.PatchStateData(ctx, patch)
	must(t, err)
	patch.State = smdv1.Component_STATE_HALT
	_, err = smd.PatchStateData(ctx, patch)
	failed := failsWith(t, err, ReasonRevisionMismatch, true)
	patch.IfRevision = &failed.Revision
	_, err = smd.PatchStateData(ctx, patch)
	must(t, err)
}

func TestLiveATrialShowsTheChangeAndMakesNone(t *testing.T) {
	client, ctx := dialLive(t, nil), shortly(t)
	groups := smdv1.NewGroupServiceClient(client)
	would := &httpv1.WouldChange{}
	label := unused("tried")
	_, err := groups.CreateGroup(ctx, &smdv1.Group{Label: label}, ValidateOnly(would))
	must(t, err)
	equal(t, would.GetValidateOnly(), true)
	equal(t, would.GetChanges()[0].GetChange(), "created")
	_, err = groups.GetGroup(ctx, &smdv1.GetGroupRequest{Label: label})
	failsWith(t, err, ReasonNotFound, true)
}

// An import that is started again after a crash repeats its names; another request under the same name is a mistake.
func TestLiveAnIdempotencyKeyHoldsForAnotherClient(t *testing.T) {
	ctx, key := shortly(t), IdempotencyKey(unused("import"))
	group := &smdv1.Group{Label: unused("keyed")}
	_, err := smdv1.NewGroupServiceClient(dialLive(t, nil)).CreateGroup(ctx, group, key)
	must(t, err)
	again := smdv1.NewGroupServiceClient(dialLive(t, nil))
	_, err = again.CreateGroup(ctx, group, key)
	must(t, err)
	_, err = again.CreateGroup(ctx, &smdv1.Group{Label: unused("other")}, key)
	failsWith(t, err, ReasonRequestDiffers, true)
}

func TestLiveCredentialsThatAreNotAcceptedAreToldApart(t *testing.T) {
	if live == nil {
		t.Skip("there is no chamois")
	}
	list := func(change func(*Config)) error {
		client := clusterv1.NewClusterServiceClient(dialLive(t, change))
		_, err := client.GetStatus(shortly(t), &clusterv1.GetStatusRequest{})
		return err
	}
	failsWith(t, list(func(c *Config) { c.Token = "" }), ReasonUnauthenticated, true)
	failsWith(t, list(func(c *Config) { c.Token = "not.a.token" }), ReasonUnauthenticated, true)
	stranger := newAuthority(t)
	failsWith(t, list(func(c *Config) { c.CA = stranger.file(t) }), ReasonUntrusted, true)
	certPEM, keyPEM := stranger.issue(t, "admin")
	cert, key := write(t, "me.pem", certPEM), write(t, "me.key", keyPEM)
	failsWith(t, list(func(c *Config) { c.Token, c.CertFile, c.KeyFile = "", cert, key }), ReasonUntrusted, true)
}

func TestLiveACertificateOfTheClusterIsACredential(t *testing.T) {
	dialLive(t, nil)
	ca := readAuthority(t, live.CA, filepath.Join(filepath.Dir(live.CA), "ca.key"))
	certPEM, keyPEM := ca.issue(t, "", &url.URL{Scheme: "spiffe", Host: "demo", Path: "/user/admin"})
	cert, key := write(t, "me.pem", certPEM), write(t, "me.key", keyPEM)
	client := dialLive(t, func(c *Config) { c.Token, c.CertFile, c.KeyFile = "", cert, key })
	_, err := smdv1.NewGroupServiceClient(client).CreateGroup(shortly(t), &smdv1.Group{Label: unused("mtls")})
	must(t, err)
}

// The limit is the member's; the client's own is lifted here.
func TestLiveAMessageOverTheMembersLimitIsRefused(t *testing.T) {
	client := dialLive(t, nil)
	group := &smdv1.Group{Label: "go-large", Description: strings.Repeat("x", 40<<20)}
	_, err := smdv1.NewGroupServiceClient(client).CreateGroup(shortly(t), group, grpc.MaxCallSendMsgSize(64<<20))
	failsWith(t, err, ReasonTooLarge, true)
}

// Fields of a newer client must not be dropped in silence, nor break the call: whichever the member does, the SDK tells.
func TestLiveUnknownFieldsAreAccepted(t *testing.T) {
	client := dialLive(t, nil)
	group := &smdv1.Group{Label: unused("unknown")}
	group.ProtoReflect().SetUnknown([]byte{0xf8, 0x7f, 1}) // field 2047, varint 1
	_, err := smdv1.NewGroupServiceClient(client).CreateGroup(shortly(t), group)
	must(t, err)
}

// The methods of a newer client, at a member that does not have them.
func TestLiveAMethodThatTheMemberDoesNotHaveIsToldSo(t *testing.T) {
	client := dialLive(t, nil)
	err := client.Invoke(shortly(t), "/chamois.smd.v1.GroupService/OfTomorrow", &smdv1.Group{}, &smdv1.Group{})
	failsWith(t, err, ReasonNoSuchMethod, true)
}

func TestLiveAReadOfWhatAMemberHas(t *testing.T) {
	client := dialLive(t, nil)
	_, err := bssv1.NewBootParametersServiceClient(client).ListBootParameters(
		shortly(t), &bssv1.ListBootParametersRequest{}, Local())
	must(t, err)
}

// A restored cluster is another one: its revisions mean nothing to a copy of the first, which begins again.
func TestLiveTheRevisionsOfAnotherClusterAreRefusedAndFollowBeginsAgain(t *testing.T) {
	client, ctx := dialLive(t, nil), shortly(t)
	createNodes(t, client, 2300, 1)
	other := &watchv1.WatchRequest{FromRevision: 1, ClusterId: "0123456789abcdef", Xnames: []string{nodeID(2300, 0)}}
	stream, err := watchv1.NewWatchServiceClient(client).Watch(ctx, other)
	must(t, err)
	_, err = stream.Recv()
	failsWith(t, err, ReasonCompacted, true)
	var all []string
	for told, err := range NewFollow(client, other).All(ctx) {
		must(t, err)
		all = append(all, shown(told))
		if _, ends := told.(StateEnds); ends {
			break
		}
	}
	equal(t, strings.Join(all[:2], ", "), "begins, 1 rows")
}
