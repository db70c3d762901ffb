package chamois

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
)

// lookEvery is how often files are looked at whether they were replaced.
const lookEvery = time.Second

// A watchedFile tells whether a file was replaced since it was last asked, at most once a second.
type watchedFile struct {
	path string

	mu     sync.Mutex
	looked time.Time
	seen   time.Time
	size   int64
}

// changed reports whether the file differs from what it was at the call before; true at the first. A file that cannot be
// read now is unchanged: who replaces it may be in the middle of that.
func (w *watchedFile) changed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if time.Since(w.looked) < lookEvery {
		return false
	}
	first := w.looked.IsZero()
	w.looked = time.Now()
	info, err := os.Stat(w.path)
	if err != nil || (info.ModTime().Equal(w.seen) && info.Size() == w.size) {
		return first
	}
	w.seen, w.size = info.ModTime(), info.Size()
	return true
}

// forget has the next look find a change.
func (w *watchedFile) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = time.Time{}
}

// tokenSource is how the caller of config is named, nil if by a certificate or not at all.
func (c *Config) tokenSource() TokenSource {
	switch {
	case c.TokenSource != nil:
		return c.TokenSource
	case c.TokenFile != "":
		return tokenOfFile(c.TokenFile)
	case c.Token != "":
		token := c.Token
		return func(context.Context) (string, error) { return token, nil }
	default:
		return nil
	}
}

// tokenOfFile reads the token in a file, and again when the file was replaced.
func tokenOfFile(path string) TokenSource {
	file := &watchedFile{path: path}
	var mu sync.Mutex
	var token string
	return func(context.Context) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		if !file.changed() && token != "" {
			return token, nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return "", fmt.Errorf("TokenFile: %w", err)
		}
		read := strings.TrimSpace(string(text))
		if read == "" || strings.ContainsFunc(read, notInToken) {
			return "", fmt.Errorf("TokenFile: %s does not hold a token: one line of letters, digits and `.-_` is needed", path)
		}
		token = read
		return token, nil
	}
}

// tlsConfig is made anew for every connection, so that certificates that were renewed or added count.
func (c *Config) tlsConfig() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS13, NextProtos: []string{"h2"}}
	if c.CA != "" {
		pem, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, fmt.Errorf("CA: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("CA: %s is not a PEM file with at least one CERTIFICATE block", c.CA)
		}
	}
	if c.CertFile != "" {
		certificate, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("CertFile, KeyFile: %w", err)
		}
		config.Certificates = []tls.Certificate{certificate}
	}
	return config, nil
}
