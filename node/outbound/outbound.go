// Package outbound sends HTTP requests to addresses that users named. A user names what
// the user cannot reach, too: this machine, its neighbours, the metadata of a cloud. So
// the address is looked at when it is dialled, after names were resolved and for each
// attempt: a name that stands for another address the next time gains nothing.
package outbound

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"syscall"
	"time"

	"grapevine/services/webhooks"
)

const (
	dialTime = 5 * time.Second
	maxReply = 4 << 10 // bytes that are read of a reply's body
	maxIdle  = 64      // connections that are kept for the next request, 2 to a host
)

// errForbidden is of an address that is not to be dialled.
var errForbidden = errors.New("is not an address on the public Internet, and the operator has not set webhook-allow-private")

// Poster sends requests by POST. It follows no redirects, uses no proxy, and ignores
// what is answered but the status and Retry-After.
type Poster struct{ client *http.Client }

// NewPoster makes a poster that dials permitted addresses only; nil permits all.
func NewPoster(permitted func(netip.Addr) bool) *Poster {
	dialer := &net.Dialer{Timeout: dialTime, Control: func(_, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		if permitted != nil && !permitted(at.Addr()) {
			return fmt.Errorf("%s %w", at.Addr(), errForbidden)
		}
		return nil
	}}
	return &Poster{&http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext: dialer.DialContext, ForceAttemptHTTP2: true, DisableCompression: true,
			TLSHandshakeTimeout: dialTime, MaxIdleConns: maxIdle, MaxIdleConnsPerHost: 2, IdleConnTimeout: 30 * time.Second,
			MaxResponseHeaderBytes: 32 << 10,
		},
	}}
}

// Send implements webhooks.Sender.
func (p *Poster) Send(ctx context.Context, r webhooks.Request) (webhooks.Reply, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.URL, bytes.NewReader(r.Body))
	if err != nil {
		return webhooks.Reply{}, errors.New("the URL cannot be sent to")
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "Grapevine-Webhooks/1")
	for name, value := range r.Header {
		request.Header.Set(name, value)
	}
	reply, err := p.client.Do(request)
	if err != nil {
		return webhooks.Reply{}, told(err)
	}
	defer reply.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(reply.Body, maxReply)) // for the connection to be used again
	return webhooks.Reply{Status: reply.StatusCode, RetryAfter: seconds(reply.Header.Get("Retry-After"))}, nil
}

// Close ends the connections that are kept. Requests under way end with their contexts.
func (p *Poster) Close() error {
	p.client.CloseIdleConnections()
	return nil
}

// seconds reads a Retry-After in seconds; one that is a date counts as none.
func seconds(text string) time.Duration {
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return 0
	}
	return time.Duration(n) * time.Second
}

// told gives an error in words that tell the owner of a URL what to mend, and nothing
// of this machine's network.
func told(err error) error {
	var dns *net.DNSError
	var timeout net.Error
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.Is(err, errForbidden):
		return fmt.Errorf("the host %w", errForbidden)
	case errors.As(err, &dns):
		return fmt.Errorf("the name %s cannot be resolved", dns.Name)
	case errors.Is(err, syscall.ECONNREFUSED):
		return errors.New("the connection was refused")
	case errors.As(err, &certificate):
		return fmt.Errorf("the certificate is not valid: %w", certificate.Err)
	case errors.Is(err, http.ErrSchemeMismatch):
		return errors.New("the receiver does not speak TLS")
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return errors.New("no reply came in time")
	}
	return errors.New("the connection failed")
}
