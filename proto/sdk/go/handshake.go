package chamois

import (
	"context"
	"crypto/tls"
	"net"
	"strings"
	"time"

	"google.golang.org/grpc/credentials"
)

// lastWords is how long the reason of a connection that has just broken is waited for.
const lastWords = 100 * time.Millisecond

// telling are TLS credentials whose connections say why the member broke them. In TLS 1.3 a member refuses a client's
// certificate after the client's side of the handshake is over: by then the first write fails with a broken pipe, and the
// reason lies unread.
type telling struct {
	credentials.TransportCredentials
}

func tellingTLS(config *tls.Config) credentials.TransportCredentials {
	return telling{credentials.NewTLS(config)}
}

func (t telling) ClientHandshake(
	ctx context.Context, authority string, raw net.Conn,
) (net.Conn, credentials.AuthInfo, error) {
	conn, info, err := t.TransportCredentials.ClientHandshake(ctx, authority, raw)
	if err != nil {
		return nil, nil, err
	}
	return tellingConn{conn}, info, nil
}

func (t telling) Clone() credentials.TransportCredentials {
	return telling{t.TransportCredentials.Clone()}
}

type tellingConn struct{ net.Conn }

// Write gives the member's reason in place of its own error.
func (c tellingConn) Write(data []byte) (int, error) {
	n, err := c.Conn.Write(data)
	if err == nil {
		return n, nil
	}
	if c.SetReadDeadline(time.Now().Add(lastWords)) == nil {
		if _, reason := c.Read(make([]byte, 1)); reason != nil && strings.Contains(reason.Error(), "tls: ") {
			return n, reason
		}
	}
	return n, err
}
