package chamois

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"
)

const (
	// endpointsMax is how many endpoints one client knows at most.
	endpointsMax = 32
	// timeoutDefault is what a member gives a caller that names no deadline.
	timeoutDefault = 30 * time.Second
	// timeoutOfLong is the same for methods that read whole disks.
	timeoutOfLong = 300 * time.Second
)

// A TokenSource gives the bearer token of a call. It is asked for every attempt, from several goroutines at once, so it
// keeps what it has until that is about to expire.
type TokenSource func(ctx context.Context) (string, error)

// Config says where a cluster is, whom to trust and who calls.
type Config struct {
	// Endpoints are the gRPC ports of the members, host:port without a scheme, e.g. "10.97.1.1:7441". 1 to 32 of them; a
	// client stays with one while it answers and moves on to the next when it does not.
	Endpoints []string
	// CA is the file with the certificates (PEM) of the CAs that may sign the members' certificates. Read again for every
	// connection. Empty: the system's.
	CA string

	// Token is a bearer token. At most one of Token, TokenFile, TokenSource and CertFile is given.
	Token string
	// TokenFile holds a bearer token; it is read again when it changes.
	TokenFile string
	// TokenSource gives bearer tokens that somebody else renews.
	TokenSource TokenSource
	// CertFile and KeyFile are a client certificate with its chain and its key (PEM), as `chamois certificate issue` writes
	// them. When `chamois certificate renew` has replaced them, the next call makes a new connection with them.
	CertFile, KeyFile string

	// Timeout is how long a call without a deadline of its own takes at most, with all attempts. 0: 30 s, and 300 s for the
	// methods that read whole disks.
	Timeout time.Duration
	// AttemptTimeout is how long one member may take for the first attempt of a call before the next is asked; each further
	// attempt has twice as long, so that what is slow ends too. 0: 3 s.
	AttemptTimeout time.Duration
}

// ConfigFromEnv is the configuration that the command line has, from the same variables: CHAMOIS_ENDPOINTS (comma list),
// CHAMOIS_CA, and CHAMOIS_TOKEN, CHAMOIS_TOKEN_FILE or CHAMOIS_CLIENT_CERTIFICATE, whose key is beside it with the ending
// `.key`.
func ConfigFromEnv() Config {
	config := Config{
		CA:        os.Getenv("CHAMOIS_CA"),
		Token:     os.Getenv("CHAMOIS_TOKEN"),
		TokenFile: os.Getenv("CHAMOIS_TOKEN_FILE"),
		CertFile:  os.Getenv("CHAMOIS_CLIENT_CERTIFICATE"),
	}
	for _, endpoint := range strings.Split(os.Getenv("CHAMOIS_ENDPOINTS"), ",") {
		if endpoint = strings.TrimSpace(endpoint); endpoint != "" {
			config.Endpoints = append(config.Endpoints, endpoint)
		}
	}
	if config.CertFile != "" {
		config.KeyFile = besideCertificate(config.CertFile)
	}
	return config
}

// besideCertificate is the file of a certificate's key, where the command line puts it.
func besideCertificate(certFile string) string {
	if dot := strings.LastIndexByte(certFile, '.'); dot > strings.LastIndexByte(certFile, os.PathSeparator) {
		certFile = certFile[:dot]
	}
	return certFile + ".key"
}

// check names the first field that cannot be used, and what is accepted.
func (c *Config) check() error {
	if len(c.Endpoints) == 0 || len(c.Endpoints) > endpointsMax {
		return fmt.Errorf("Endpoints: %d of them; give 1 to %d as host:port (CHAMOIS_ENDPOINTS for ConfigFromEnv)",
			len(c.Endpoints), endpointsMax)
	}
	for _, endpoint := range c.Endpoints {
		host, port, err := net.SplitHostPort(endpoint)
		if err != nil || host == "" || port == "" || strings.ContainsAny(endpoint, "/@ ") {
			return fmt.Errorf("Endpoints: %q is not host:port; write it without a scheme, e.g. 10.97.1.1:7441", endpoint)
		}
	}
	if c.ways() > 1 {
		return errors.New("Token, TokenFile, TokenSource, CertFile: more than one is given; say who calls in one way")
	}
	if (c.CertFile == "") != (c.KeyFile == "") {
		return errors.New("CertFile, KeyFile: one is given without the other; a certificate needs its key")
	}
	if strings.ContainsFunc(c.Token, notInToken) {
		return errors.New("Token: it holds characters that no token has; is it the right text?")
	}
	if c.Timeout < 0 || c.AttemptTimeout < 0 {
		return errors.New("Timeout, AttemptTimeout: negative; give a duration, or 0 for the default")
	}
	return nil
}

// ways counts in how many ways the caller is named.
func (c *Config) ways() int {
	ways := 0
	for _, given := range []bool{c.Token != "", c.TokenFile != "", c.TokenSource != nil, c.CertFile != ""} {
		if given {
			ways++
		}
	}
	return ways
}

// attemptTimeout is AttemptTimeout or its default.
func (c *Config) attemptTimeout() time.Duration {
	if c.AttemptTimeout > 0 {
		return c.AttemptTimeout
	}
	return 3 * time.Second
}

// timeout is how long a call by rule takes at most, if its caller does not say.
func (c *Config) timeout(rule rule) time.Duration {
	switch {
	case c.Timeout > 0:
		return c.Timeout
	case rule.takesLong:
		return timeoutOfLong
	default:
		return timeoutDefault
	}
}

// notInToken tells characters that cannot be in an HTTP header's token.
func notInToken(r rune) bool { return r <= ' ' || r > '~' }
