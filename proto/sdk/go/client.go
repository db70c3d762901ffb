package chamois

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Client calls a cluster through whichever member answers; the generated clients take it for a connection:
// smdv1.NewComponentServiceClient(client). It is safe for use by several goroutines, which share its connection.
//
// A read that failed on the way is repeated at another member. So is a change, under a number by which the cluster
// recognises it, so that it is made once, however many attempts it takes. Errors are of type *Error: see ErrorOf.
type Client struct {
	config      Config
	connections *connections
	sessions    sessions
	token       TokenSource
}

var _ grpc.ClientConnInterface = (*Client)(nil)

// Dial makes a client and asks no member anything yet, so it works while all are down.
//
// The error names the field of config that cannot be used, and what is accepted.
func Dial(ctx context.Context, config Config) (*Client, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := config.check(); err != nil {
		return nil, fmt.Errorf("chamois: %w", err)
	}
	client := &Client{config: config, token: config.tokenSource()}
	client.connections = newConnections(&client.config)
	// what is wrong with the files now is told now
	if _, err := config.tlsConfig(); err != nil {
		return nil, fmt.Errorf("chamois: %w", err)
	}
	if config.TokenFile != "" {
		if _, err := client.token(ctx); err != nil {
			return nil, fmt.Errorf("chamois: %w", err)
		}
	}
	return client, nil
}

// Close ends all connections, and the calls in progress with them.
func (c *Client) Close() error {
	c.connections.close()
	return nil
}

// Invoke makes a unary call; generated clients call it.
func (c *Client) Invoke(ctx context.Context, method string, request, reply any, options ...grpc.CallOption) error {
	call, err := c.newCall(method, request, reply, options)
	if err != nil {
		return localError(method, status.Convert(err))
	}
	ctx, cancel := call.settings.context(ctx, c.config.timeout(call.rule))
	defer cancel()
	if call.numbered() {
		ticket := c.sessions.take()
		defer c.sessions.done(ticket)
		call.ticket = &ticket
	}
	if failed := c.settle(ctx, call); failed != nil {
		return failed
	}
	return nil
}

// NewStream begins a streaming call; generated clients call it. It goes to the member in use, or the next that can be
// reached, and is not repeated: a watch that goes on by itself is Follow.
func (c *Client) NewStream(
	ctx context.Context, description *grpc.StreamDesc, method string, options ...grpc.CallOption,
) (grpc.ClientStream, error) {
	call := &call{method: method, rule: ruleOf(method), settings: settingsOf(options), options: options}
	var opened grpc.ClientStream
	failed := c.reach(ctx, call, func(ctx context.Context, used *connection, seen *arrival) *Error {
		begun, err := used.conn.NewStream(ctx, description, method, options...)
		if err != nil {
			c.connections.done(used)
			return call.failure(err, used, seen, nil)
		}
		opened = newStream(c, call, description, used, seen, begun)
		return nil
	})
	if failed != nil {
		return nil, failed
	}
	return opened, nil
}

// authorized adds the caller's token.
func (c *Client) authorized(ctx context.Context, pairs []string) ([]string, error) {
	if c.token == nil {
		return pairs, nil
	}
	token, err := c.token(ctx)
	if err != nil {
		code := codes.Unauthenticated
		if errors.Is(err, ctx.Err()) {
			code = status.FromContextError(ctx.Err()).Code()
		}
		return nil, status.Errorf(code, "no token: %v", err)
	}
	return append(pairs, "authorization", "Bearer "+token), nil
}
