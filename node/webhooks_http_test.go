package node_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"grapevine/node/client"
	"grapevine/node/config"
)

func TestAReceiverOnThisMachineGetsSignedEventsWhereTheOperatorAllowsIt(t *testing.T) {
	t.Parallel()
	received := make(chan *http.Request, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		received <- r
	}))
	t.Cleanup(server.Close)
	cfg := config.Default(t.TempDir())
	cfg.WebhookAllowPrivate = true
	at := client.New("http://" + machine(t, cfg).HTTP)
	ada, err := at.SignUp(t.Context(), client.SignUp{Username: "ada", Password: "a long password"})
	if err != nil {
		t.Fatal(err)
	}
	at = at.With(client.WithToken(ada.Session.Token))
	hook, err := at.CreateWebhook(t.Context(), client.NewWebhook{URL: server.URL + "/in?a=b", Events: []string{"*"}})
	if err != nil {
		t.Fatal(err)
	}
	sent, err := at.TestWebhook(t.Context(), hook.ID, "")
	if err != nil {
		t.Fatal(err)
	}
	r := <-received
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(hook.Secret, "whsec_"))
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(sent.ID + "." + r.Header.Get("webhook-timestamp") + "." + string(body)))
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	if got := r.Header.Get("webhook-signature"); got != want || r.URL.String() != "/in?a=b" || r.Header.Get("webhook-id") != sent.ID {
		t.Errorf("%s came with %v and signature %s, want %s", r.URL, r.Header, got, want)
	}
}
