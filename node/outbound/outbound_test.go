package outbound_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"grapevine/node/outbound"
	"grapevine/services/webhooks"
)

func TestOnlyAddressesOfThePublicInternetArePublic(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"1.1.1.1": true, "93.184.216.34": true, "2606:4700::1111": true, "::ffff:1.1.1.1": true, "192.1.0.1": true,
		"127.0.0.1": false, "127.8.9.1": false, "::1": false, "0.0.0.0": false, "::": false, "0.1.2.3": false,
		"10.0.0.1": false, "172.16.0.1": false, "172.31.255.255": false, "192.168.1.1": false, "fc00::1": false, "fd12::1": false,
		"169.254.169.254": false, "fe80::1": false, "fe80::1%eth0": false, "fd00:ec2::254": false, "100.100.100.200": false,
		"224.0.0.1": false, "239.1.1.1": false, "ff02::1": false, "ff0e::1": false, "255.255.255.255": false, "240.0.0.1": false,
		"192.0.0.192": false, "192.0.2.1": false, "198.51.100.1": false, "203.0.113.1": false, "198.18.0.1": false,
		"::ffff:127.0.0.1": false, "::ffff:169.254.169.254": false, "::127.0.0.1": false, "64:ff9b::7f00:1": false,
		"2002:7f00:1::": false, "2001::1": false, "2001:db8::1": false, "3fff::1": false, "fec0::1": false,
	} {
		if got := outbound.Public(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s is public: %t", text, got)
		}
	}
}

// receive serves a receiver on loopback.
func receive(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server
}

func poster(t *testing.T, permitted func(netip.Addr) bool) *outbound.Poster {
	t.Helper()
	p := outbound.NewPoster(permitted)
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func TestARequestArrivesAsItWasGiven(t *testing.T) {
	t.Parallel()
	server := receive(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != "POST" || string(body) != `{"a":1}` || r.Header.Get("webhook-id") != "x" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("got %s %q %v, %v", r.Method, body, r.Header, err)
		}
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(503)
	})
	reply, err := poster(t, nil).Send(context.Background(), webhooks.Request{URL: server.URL, Header: map[string]string{"webhook-id": "x"}, Body: []byte(`{"a":1}`)})
	if err != nil || reply.Status != 503 || reply.RetryAfter != 7*time.Second {
		t.Errorf("got %+v, %v", reply, err)
	}
}

func TestAnAddressIsLookedAtAfterItsNameWasResolved(t *testing.T) {
	t.Parallel()
	var served atomic.Bool
	server := receive(t, func(http.ResponseWriter, *http.Request) { served.Store(true) })
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	guarded := poster(t, outbound.Public)
	for _, host := range []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0"} {
		_, err := guarded.Send(context.Background(), webhooks.Request{URL: "http://" + host + ":" + port})
		if err == nil || !strings.Contains(err.Error(), "webhook-allow-private") {
			t.Errorf("to %s: %v", host, err)
		}
	}
	if served.Load() {
		t.Error("a request arrived on loopback")
	}
}

func TestARedirectIsAnAnswerAndNotFollowed(t *testing.T) {
	t.Parallel()
	var followed atomic.Bool
	target := receive(t, func(http.ResponseWriter, *http.Request) { followed.Store(true) })
	server := receive(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, target.URL, http.StatusTemporaryRedirect)
	})
	reply, err := poster(t, nil).Send(context.Background(), webhooks.Request{URL: server.URL, Body: []byte("{}")})
	if err != nil || reply.Status != http.StatusTemporaryRedirect || followed.Load() {
		t.Errorf("got %+v, %v; followed: %t", reply, err, followed.Load())
	}
}

func TestTheProxyOfTheEnvironmentIsNotUsed(t *testing.T) {
	var proxied atomic.Bool
	proxy := receive(t, func(http.ResponseWriter, *http.Request) { proxied.Store(true) })
	t.Setenv("HTTP_PROXY", proxy.URL)
	t.Setenv("http_proxy", proxy.URL)
	_, err := poster(t, nil).Send(context.Background(), webhooks.Request{URL: "http://no.such.name.invalid/"})
	if err == nil || proxied.Load() {
		t.Errorf("%v; by the proxy: %t", err, proxied.Load())
	}
}

func TestABodyWithoutEndIsNotRead(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	server := receive(t, func(w http.ResponseWriter, r *http.Request) {
		defer close(gone)
		for chunk := make([]byte, 1<<10); ; {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
	reply, err := poster(t, nil).Send(context.Background(), webhooks.Request{URL: server.URL})
	if err != nil || reply.Status != 200 {
		t.Errorf("got %+v, %v", reply, err)
	}
	<-gone // the connection was cut
}

func TestAReceiverThatDoesNotAnswerIsGivenUpInTime(t *testing.T) {
	t.Parallel()
	end := make(chan struct{})
	server := receive(t, func(http.ResponseWriter, *http.Request) { <-end })
	defer close(end)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err := poster(t, nil).Send(ctx, webhooks.Request{URL: server.URL})
	if err == nil || err.Error() != "no reply came in time" {
		t.Errorf("got %v", err)
	}
}

func TestErrorsTellTheOwnerWhatToMendAndNothingOfThisMachine(t *testing.T) {
	t.Parallel()
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	plain := receive(t, func(http.ResponseWriter, *http.Request) {})
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	defer secure.Close()
	for url, want := range map[string]string{
		closed.URL:                     "the connection was refused",
		"http://no.such.name.invalid/": "the name no.such.name.invalid cannot be resolved",
		strings.Replace(plain.URL, "http:", "https:", 1): "the receiver does not speak TLS",
		secure.URL:    "the certificate is not valid",
		"http://%zz/": "the URL cannot be sent to",
	} {
		_, err := poster(t, nil).Send(context.Background(), webhooks.Request{URL: url})
		if err == nil || !strings.HasPrefix(err.Error(), want) || errors.Unwrap(err) != nil && strings.Contains(err.Error(), "127.0.0.1:") {
			t.Errorf("%s gives %v, want %s", url, err, want)
		}
	}
}
