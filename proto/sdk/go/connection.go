package chamois

import (
	"context"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"
)

const (
	// connectAtMost is the time for TCP, TLS and HTTP/2 together, to one endpoint.
	connectAtMost = 3 * time.Second
	// messageBytesMax: one object may be as large as a change.
	messageBytesMax = 16 << 20
	// Pings while calls are open: a member that has frozen is noticed. gRPC allows none more often.
	pingEvery, pingTimeout = 10 * time.Second, 5 * time.Second
	userAgent              = "chamois-go/0.11.0"
)

// connections are the endpoints of a client and the connection in use.
type connections struct {
	config *Config
	cert   *watchedFile

	mu      sync.Mutex
	closed  bool
	turn    int // counts connections; its remainder is the endpoint in use
	current *connection
	all     map[*connection]struct{}
}

// A connection to one endpoint. It ends when it was left and its last call has ended.
type connection struct {
	endpoint string
	conn     *grpc.ClientConn
	calls    int
	left     bool
}

func newConnections(config *Config) *connections {
	c := &connections{config: config, all: map[*connection]struct{}{}}
	if config.CertFile != "" {
		c.cert = &watchedFile{path: config.CertFile}
		c.cert.changed()
	}
	return c
}

// take gives the connection in use, or a new one to the endpoint whose turn it is; done gives it back. Nothing is dialled
// before the first call.
func (c *connections) take() (*connection, error) {
	if c.cert != nil && c.cert.changed() {
		c.renew()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, status.Error(codes.Canceled, "the client is closed")
	}
	if c.current == nil {
		made, err := c.dial(c.config.Endpoints[c.turn%len(c.config.Endpoints)])
		if err != nil {
			return nil, err
		}
		c.current = made
		c.all[made] = struct{}{}
	}
	c.current.calls++
	return c.current, nil
}

// done ends the use that one call makes of a connection.
func (c *connections) done(used *connection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	used.calls--
	c.closeUnused(used)
}

// leave leaves a connection to its calls in progress; the next call takes the next endpoint.
func (c *connections) leave(used *connection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current == used {
		c.current, c.turn = nil, c.turn+1
	}
	used.left = true
	c.closeUnused(used)
}

// renew lets the next call make a new connection, to the same endpoint, if the new certificate and its key are both there.
func (c *connections) renew() {
	if _, err := c.config.tlsConfig(); err != nil {
		c.cert.forget()
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if used := c.current; used != nil {
		c.current, used.left = nil, true
		c.closeUnused(used)
	}
}

func (c *connections) closeUnused(used *connection) {
	if _, open := c.all[used]; open && used.left && used.calls == 0 {
		delete(c.all, used)
		_ = used.conn.Close() // says only that it is closed already
	}
}

func (c *connections) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed, c.current = true, nil
	for used := range c.all {
		delete(c.all, used)
		_ = used.conn.Close() // says only that it is closed already
	}
}

func (c *connections) dial(endpoint string) (*connection, error) {
	tls, err := c.config.tlsConfig()
	if err != nil {
		return nil, err
	}
	conn, err := grpc.NewClient("passthrough:///"+endpoint,
		grpc.WithTransportCredentials(tellingTLS(tls)),
		grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, connectAtMost)
			defer cancel()
			return new(net.Dialer).DialContext(ctx, "tcp", address)
		}),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: backoff.DefaultConfig, MinConnectTimeout: connectAtMost}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: pingEvery, Timeout: pingTimeout}),
		grpc.WithDefaultCallOptions(
			grpc.MaxCallRecvMsgSize(messageBytesMax), grpc.MaxCallSendMsgSize(messageBytesMax)),
		grpc.WithStatsHandler(arrivals{}),
		grpc.WithDisableServiceConfig(),
		grpc.WithDisableRetry(),
		grpc.WithIdleTimeout(0),
		grpc.WithNoProxy(),
		grpc.WithUserAgent(userAgent),
	)
	if err != nil {
		return nil, err
	}
	return &connection{endpoint: endpoint, conn: conn}, nil
}
