package chamois

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"
)

func withToken(token string) func(*Config) { return func(c *Config) { c.Token = token } }

func TestATokenGoesWithEveryCall(t *testing.T) {
	ca := newAuthority(t)
	member := startFake(t, ca, ok)
	must(t, get(context.Background(), clientOf(t, ca, withToken("abc"), member)))
	equal(t, member.requests()[0].first("authorization"), "Bearer abc")
}

// A token lives minutes, a program longer.
func TestATokenFileIsReadAgainWhenItChanges(t *testing.T) {
	ca := newAuthority(t)
	member := startFake(t, ca, ok)
	file := write(t, "token", []byte("first\n"))
	client := clientOf(t, ca, func(c *Config) { c.TokenFile = file }, member)
	must(t, get(context.Background(), client))
	must(t, os.WriteFile(file, []byte("second\n"), 0o600))
	time.Sleep(lookEvery + 100*time.Millisecond)
	must(t, get(context.Background(), client))
	seen := member.requests()
	equal(t, seen[0].first("authorization"), "Bearer first")
	equal(t, seen[1].first("authorization"), "Bearer second")
}

func TestATokenSourceIsAskedForEachAttempt(t *testing.T) {
	ca := newAuthority(t)
	member := startFake(t, ca, inTurn(noQuorum, ok))
	asked := 0
	source := func(context.Context) (string, error) {
		asked++
		return strings.Repeat("t", asked), nil
	}
	must(t, get(context.Background(), clientOf(t, ca, func(c *Config) { c.TokenSource = source }, member)))
	equal(t, member.requests()[1].first("authorization"), "Bearer tt")
}

func TestASourceWithoutATokenSendsNothing(t *testing.T) {
	ca := newAuthority(t)
	member := startFake(t, ca, ok)
	source := func(context.Context) (string, error) { return "", os.ErrPermission }
	failed := ErrorOf(create(context.Background(), clientOf(t, ca, func(c *Config) { c.TokenSource = source }, member)))
	equal(t, failed.Reason, ReasonRefused)
	equal(t, failed.SafeToRetry(), true)
	equal(t, len(member.requests()), 0)
}

// The certificate lives a day and is renewed under the program; calls in progress keep the connection they have.
func TestARenewedCertificateIsShownByTheNextCall(t *testing.T) {
	ca := newAuthority(t)
	member := startFake(t, ca, ok)
	certPEM, keyPEM := ca.issue(t, "first")
	cert, key := write(t, "me.pem", certPEM), write(t, "me.key", keyPEM)
	client := clientOf(t, ca, func(c *Config) { c.CertFile, c.KeyFile = cert, key }, member)
	must(t, get(context.Background(), client))
	certPEM, keyPEM = ca.issue(t, "second")
	must(t, os.WriteFile(cert, certPEM, 0o600))
	time.Sleep(lookEvery + 100*time.Millisecond)
	// in the middle of a renewal, the old connection still serves
	must(t, get(context.Background(), client))
	must(t, os.WriteFile(key, keyPEM, 0o600))
	time.Sleep(lookEvery + 100*time.Millisecond)
	must(t, get(context.Background(), client))
	seen := member.requests()
	equal(t, seen[0].subject, "first")
	equal(t, seen[1].subject, "first")
	equal(t, seen[2].subject, "second")
}

// Whom the CA did not sign is not spoken to, and nothing is sent to it: not the token, not the change.
func TestAMemberOfAnotherAuthorityIsNotTrusted(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	member := startFake(t, other, ok)
	failed := ErrorOf(create(context.Background(), clientOf(t, ca, withToken("abc"), member)))
	equal(t, failed.Reason, ReasonUntrusted)
	equal(t, failed.SafeToRetry(), true)
	equal(t, failed.Temporary(), false)
	equal(t, len(member.requests()), 0)
}

func TestACertificateOfAnotherAuthorityIsRefused(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	member := startFake(t, ca, ok)
	certPEM, keyPEM := other.issue(t, "stranger")
	cert, key := write(t, "me.pem", certPEM), write(t, "me.key", keyPEM)
	client := clientOf(t, ca, func(c *Config) { c.CertFile, c.KeyFile = cert, key }, member)
	failed := ErrorOf(create(context.Background(), client))
	equal(t, failed.Reason, ReasonUntrusted)
	equal(t, failed.SafeToRetry(), true)
	equal(t, len(member.requests()), 0)
}

// Every mistake in a configuration is told by its field, before anything is dialled.
func TestAConfigurationThatCannotBeUsedNamesItsField(t *testing.T) {
	ca := newAuthority(t).file(t)
	here := []string{"127.0.0.1:1"}
	noToken := write(t, "token", []byte("two words\n"))
	for _, c := range []struct {
		config Config
		says   string
	}{
		{Config{}, "Endpoints: 0 of them"},
		{Config{Endpoints: make([]string, 33)}, "Endpoints: 33 of them"},
		{Config{Endpoints: []string{"https://admin1:7441"}}, `"https://admin1:7441" is not host:port`},
		{Config{Endpoints: []string{"admin1"}}, `"admin1" is not host:port`},
		{Config{Endpoints: here, CA: "/nonexistent"}, "CA: open /nonexistent"},
		{Config{Endpoints: here, CA: noToken}, "is not a PEM file"},
		{Config{Endpoints: here, CA: ca, Token: "a", TokenFile: "b"}, "more than one"},
		{Config{Endpoints: here, CA: ca, Token: "a\nb"}, "Token: it holds characters"},
		{Config{Endpoints: here, CA: ca, TokenFile: noToken}, "does not hold a token"},
		{Config{Endpoints: here, CA: ca, TokenFile: "/nonexistent"}, "TokenFile: open"},
		{Config{Endpoints: here, CA: ca, CertFile: "a"}, "a certificate needs its key"},
		{Config{Endpoints: here, CA: ca, CertFile: ca, KeyFile: ca}, "CertFile, KeyFile: "},
		{Config{Endpoints: here, CA: ca, Timeout: -1}, "Timeout, AttemptTimeout: negative"},
	} {
		_, err := Dial(context.Background(), c.config)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v, which does not say %q", c.config, err, c.says)
		}
	}
}

func TestTheEnvironmentIsReadAsTheCommandLineDoes(t *testing.T) {
	t.Setenv("CHAMOIS_ENDPOINTS", "a:1, b:2,")
	t.Setenv("CHAMOIS_CA", "ca.pem")
	t.Setenv("CHAMOIS_TOKEN", "")
	t.Setenv("CHAMOIS_TOKEN_FILE", "")
	t.Setenv("CHAMOIS_CLIENT_CERTIFICATE", "/etc/me.d/me.pem")
	config := ConfigFromEnv()
	equal(t, strings.Join(config.Endpoints, " "), "a:1 b:2")
	equal(t, config.CA, "ca.pem")
	equal(t, config.KeyFile, "/etc/me.d/me.key")
	equal(t, besideCertificate("/etc/me.d/me"), "/etc/me.d/me.key")
}
