package chamois

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/emptypb"

	smdv1 "chamois.dev/sdk/go/gen/chamois/smd/v1"
)

// An authority signs certificates for 127.0.0.1.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "CA"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(t, err)
	cert, err := x509.ParseCertificate(der)
	must(t, err)
	return &authority{key, cert}
}

// readAuthority reads the CA of a real cluster that was made for tests.
func readAuthority(t testing.TB, certFile, keyFile string) *authority {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	must(t, err)
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	equal(t, ok, true)
	return &authority{key, pair.Leaf}
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	return key
}

// issue gives a certificate and its key, both as PEM.
func (a *authority) issue(t testing.TB, name string, uris ...*url.URL) (certPEM, keyPEM []byte) {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		NotBefore: time.Now().Add(-time.Minute), KeyUsage: x509.KeyUsageDigitalSignature,
		URIs: uris, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	if len(uris) == 0 {
		template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	must(t, err)
	secret, err := x509.MarshalECPrivateKey(key)
	must(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: secret})
}

// file is the authority's certificate.
func (a *authority) file(t testing.TB) string {
	t.Helper()
	return write(t, "ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw}))
}

func write(t testing.TB, name string, text []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	must(t, os.WriteFile(path, text, 0o600))
	return path
}

// A request as a fake member saw it.
type request struct {
	method   string
	metadata metadata.MD
	subject  string // common name of the client's certificate
	body     string
}

func (r request) first(key string) string { return first(r.metadata, key) }

// A fake member answers every method by a function, and remembers what was asked.
type fake struct {
	endpoint string
	server   *grpc.Server

	mu   sync.Mutex
	seen []request
}

type answer func(ctx context.Context, r request, stream grpc.ServerStream) error

// ok answers with an empty message, which every message can be read from.
func ok(_ context.Context, _ request, stream grpc.ServerStream) error {
	return stream.SendMsg(&emptypb.Empty{})
}

func startFake(t testing.TB, ca *authority, answer answer) *fake {
	t.Helper()
	certPEM, keyPEM := ca.issue(t, "member")
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	must(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	f := &fake{endpoint: listener.Addr().String()}
	clients := x509.NewCertPool()
	clients.AddCert(ca.cert)
	config := &tls.Config{
		Certificates: []tls.Certificate{cert}, ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: clients,
		MinVersion: tls.VersionTLS13,
	}
	f.server = grpc.NewServer(grpc.Creds(credentials.NewTLS(config)),
		grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error { return f.handle(stream, answer) }))
	go func() { _ = f.server.Serve(listener) }() // says only that it was stopped
	t.Cleanup(f.server.Stop)
	return f
}

func (f *fake) handle(stream grpc.ServerStream, answer answer) error {
	// any message will do: the fields of the real one are kept as unknown ones
	body := &smdv1.DeleteComponentsRequest{}
	if err := stream.RecvMsg(body); err != nil {
		return err
	}
	method, _ := grpc.MethodFromServerStream(stream)
	md, _ := metadata.FromIncomingContext(stream.Context())
	asked := request{method, md, subjectOf(stream.Context()), string(body.ProtoReflect().GetUnknown())}
	f.mu.Lock()
	f.seen = append(f.seen, asked)
	f.mu.Unlock()
	return answer(stream.Context(), asked, stream)
}

// requests are what was asked so far.
func (f *fake) requests() []request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]request(nil), f.seen...)
}

// clientOf dials the members.
func clientOf(t testing.TB, ca *authority, change func(*Config), members ...*fake) *Client {
	t.Helper()
	config := Config{CA: ca.file(t)}
	for _, member := range members {
		config.Endpoints = append(config.Endpoints, member.endpoint)
	}
	if change != nil {
		change(&config)
	}
	client, err := Dial(context.Background(), config)
	must(t, err)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal[T comparable](t testing.TB, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("got %v, want %v", got, want)
	}
}
