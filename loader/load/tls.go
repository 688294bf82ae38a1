package load

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"
)

const wantsCertificate = "the server wants a client certificate, and the loader has none"

// security is TLS as one client does it.
type security struct {
	config *tls.Config
	asked  atomic.Bool // the server has asked for a certificate of the client
}

// errNoALPN is the error of a server that does not choose the protocol.
var errNoALPN = errors.New("tls: the protocol was not negotiated")

// tls returns TLS for an application protocol, by its name in ALPN.
func (p *Plan) tls(protocol string) *security {
	s := &security{}
	s.config = &tls.Config{
		ServerName:         hostOf(p.Address),
		InsecureSkipVerify: p.Insecure,
		NextProtos:         []string{protocol},
		ClientSessionCache: nil, // no session resumption: all connections cost the server the same
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			s.asked.Store(true)
			return new(tls.Certificate), nil
		},
		VerifyConnection: func(state tls.ConnectionState) error {
			if protocol == "h2" && state.NegotiatedProtocol != protocol { // HTTP/1.1 needs no ALPN
				return errNoALPN
			}
			return nil
		},
	}
	return s
}

// handshake does TLS over conn, within the given time. Its error is one of connecting, with its cause.
func (s *security) handshake(ctx context.Context, conn net.Conn, limit time.Duration) (*tls.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	secure := tls.Client(conn, s.config)
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, connectError{error: err, cause: s.cause(err)}
	}
	return secure, nil
}

// Dial connects to the server, with TLS if the protocol has it.
func (p *Plan) Dial(ctx context.Context) (net.Conn, error) {
	dialer := net.Dialer{Timeout: p.Timeout, Control: p.Control}
	conn, err := dialer.DialContext(ctx, "tcp", p.Address)
	if err != nil || !p.Protocol.Encrypted() {
		return conn, err
	}
	protocol := "http/1.1"
	if p.Protocol.multiplexed() {
		protocol = "h2"
	}
	secure, err := p.tls(protocol).handshake(ctx, conn, p.Timeout)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return secure, nil
}

// explain returns err as one of connecting, with its cause, if it is about TLS; err itself otherwise, and without TLS. A
// server may refuse a client without a certificate only after the handshake.
func (s *security) explain(err error) error {
	if s == nil || err == nil {
		return err
	}
	if cause := s.cause(err); cause != "" {
		return connectError{error: err, cause: cause}
	}
	return err
}

func (s *security) cause(err error) string {
	const insecure = "; TLS_INSECURE=true accepts it"
	var certificate *tls.CertificateVerificationError
	var remote *net.OpError
	switch {
	case errors.As(err, &certificate):
		return s.certificateCause(certificate) + insecure
	case errors.Is(err, errNoALPN):
		return s.noALPN()
	case errors.As(err, new(tls.RecordHeaderError)):
		return "the server does not speak TLS"
	case !errors.As(err, &remote) || remote.Op != "remote error":
		return ""
	}
	alert := remote.Err.Error() // crypto/tls exports no type of it
	switch alert {
	case "tls: no application protocol":
		return s.noALPN()
	case "tls: protocol version not supported":
		return "the server has no version of TLS from 1.2 on"
	case "tls: certificate required", "tls: bad certificate", "tls: handshake failure":
		if s.asked.Load() {
			return wantsCertificate
		}
	}
	return ""
}

func (s *security) noALPN() string {
	return fmt.Sprintf("the server does not offer %s by ALPN", s.config.NextProtos[0])
}

func (s *security) certificateCause(err error) string {
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, new(x509.UnknownAuthorityError)):
		return "the server's certificate is signed by an unknown authority"
	case errors.As(err, new(x509.HostnameError)):
		return "the server's certificate is not for " + s.config.ServerName
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "the server's certificate has expired or is not yet valid"
	default:
		return "the server's certificate is not valid"
	}
}
