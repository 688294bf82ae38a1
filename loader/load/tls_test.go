package load

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// expired is a certificate for 127.0.0.1 that is no longer valid.
func expired(t *testing.T) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestTheCauseOfAFailureOfTLSIsNamed(t *testing.T) {
	const insecure = "; TLS_INSECURE=true accepts it"
	for name, test := range map[string]struct {
		only     Protocol // both if empty
		server   *tls.Config
		host     string
		insecure bool
		want     string
	}{
		"unknown authority":    {want: "the server's certificate is signed by an unknown authority" + insecure},
		"name mismatch":        {host: "localhost", want: "the server's certificate is not for localhost" + insecure},
		"expired":              {server: &tls.Config{Certificates: []tls.Certificate{expired(t)}}, want: "the server's certificate has expired or is not yet valid" + insecure},
		"client certificate":   {server: &tls.Config{ClientAuth: tls.RequireAnyClientCert}, insecure: true, want: "the server wants a client certificate, and the loader has none"},
		"the same, TLS 1.2":    {server: &tls.Config{ClientAuth: tls.RequireAnyClientCert, MaxVersion: tls.VersionTLS12}, insecure: true, want: "the server wants a client certificate, and the loader has none"},
		"old version":          {server: &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, insecure: true, want: "the server has no version of TLS from 1.2 on"},
		"no h2":                {only: H2, server: &tls.Config{NextProtos: []string{"http/1.1"}}, insecure: true, want: "the server does not offer h2 by ALPN"},
		"another certificate?": {insecure: true},
	} {
		t.Run(name, func(t *testing.T) {
			for _, protocol := range []Protocol{HTTPS, H2} {
				if test.only != "" && test.only != protocol {
					continue
				}
				server := test.server.Clone()
				w := newWitness(t, protocol, func(s *http.Server) { s.TLSConfig = server })
				plan := planOf(w.Listener.Addr().String())
				plan.Protocol, plan.Insecure = protocol, test.insecure
				if test.host != "" {
					plan.Address = strings.Replace(plan.Address, "127.0.0.1", test.host, 1)
				}
				_, err := Probe(t.Context(), plan)
				if test.want == "" {
					assert.NoError(t, err, protocol)
					continue
				}
				assert.EqualError(t, err, "no answer from https://"+plan.Address+"/ (connect: "+test.want+")", protocol)
				result, err := Run(t.Context(), plan, NewMeter())
				require.NoError(t, err)
				assert.Equal(t, map[Reason]uint64{Connect: 1}, result.Errors, protocol)
			}
		})
	}
}

// A server without ALPN speaks HTTP/1.1.
func TestAServerWithoutALPNIsNoH2Server(t *testing.T) {
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{expired(t)}})
	require.NoError(t, err)
	server := &http.Server{ErrorLog: log.New(io.Discard, "", 0), Handler: http.HandlerFunc(hello), TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){}}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	plan := planOf(listener.Addr().String())
	plan.Insecure = true
	for protocol, want := range map[Protocol]string{HTTPS: "", H2: "(connect: the server does not offer h2 by ALPN)"} {
		plan.Protocol = protocol
		_, err := Probe(t.Context(), plan)
		if want == "" {
			assert.NoError(t, err, protocol)
		} else {
			assert.ErrorContains(t, err, want, protocol)
		}
	}
}

func TestAServerWithoutTLSIsNamed(t *testing.T) {
	server := newCountingServer(t, hello)
	plan := server.plan()
	for _, protocol := range []Protocol{HTTPS, H2} {
		plan.Protocol = protocol
		_, err := Probe(t.Context(), plan)
		assert.ErrorContains(t, err, "(connect: the server does not speak TLS)", protocol)
	}
}
