// Package chamois is the Go SDK of Chamois: typed access to everything that a cluster has, through whichever member answers.
//
//	client, err := chamois.Dial(ctx, chamois.ConfigFromEnv())
//	smd := smdv1.NewComponentServiceClient(client)
//	node, err := smd.GetComponent(ctx, &smdv1.GetComponentRequest{Id: "x1000c0s0b0n0"})
//
// The generated clients are in gen/chamois/<service>/v1, one for each service of the API; a [Client] is the connection that
// they take. What the package adds:
//
//   - Several members: a client stays with one while it answers, and moves on when it does not.
//   - Retries: what failed on the way is repeated until the deadline (30 s by default, see [Timeout]). A change has a number by
//     which the cluster recognises it, so that it is made once, however many attempts it takes. [IdempotencyKey] does the same
//     across restarts of the program.
//   - Errors: [ErrorOf] gives the reason, the fields that are not accepted, the object that is meant, when to come back, and
//     whether a retry is safe: [Error.SafeToRetry].
//   - Credentials: a bearer token, a file or a function that gives one, or a client certificate; what is renewed on disk is read
//     again. See [Config].
//   - Watches: a [Follow] yields every change once, in order, and goes on at another member where it was.
//   - Lists: [Items] and [Pages] fetch page after page.
//   - Changes that must not overwrite another's: [IfRevision]. Changes that are only tried out: [ValidateOnly]. Reads that even a
//     member without a majority answers: [Local].
package chamois
