package config_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"grapevine/node/config"
)

func TestTheDefaultsAreRight(t *testing.T) {
	t.Parallel()
	if err := config.Default(t.TempDir()).Verify(); err != nil {
		t.Error(err)
	}
}

func TestVerifyReportsEveryMistakeAtOnce(t *testing.T) {
	t.Parallel()
	c := config.Config{
		HTTP: "localhost", P2P: "host:http", Gossip: ":70000", Advertise: "host:1",
		Join: []string{"host:0", ":7402", "ok:7402"}, Zone: "a b", Weight: config.MaxWeight + 1,
		Copies: 8, PartitionBits: -1, MaxInFlight: 0, LogLevel: "loud", LogFormat: "xml",
	}
	err := c.Verify()
	if err == nil {
		t.Fatal("no error")
	}
	lines := strings.Split(err.Error(), "\n")
	want := []string{
		"data", "http", "p2p", "gossip", "advertise", "join", "join", "zone", "weight",
		"copies", "partition-bits", "max-streams", "max-in-flight", "log-level", "log-format",
	}
	if len(lines) != len(want) {
		t.Fatalf("%d mistakes, want %d:\n%v", len(lines), len(want), err)
	}
	for i, flag := range want {
		if !strings.HasPrefix(lines[i], "--"+flag+": ") {
			t.Errorf("%q does not name --%s", lines[i], flag)
		}
	}
}

func TestTheAdvertisedHostIsTheBoundOneUnlessThatIsAny(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{"127.0.0.1:0": "127.0.0.1", "node-a:7401": "node-a", "[::1]:7401": "::1"} {
		if got, err := config.Default("d").AdvertiseHost(addr); err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", addr, got, err, want)
		}
	}
	for _, addr := range []string{"0.0.0.0:7401", ":7401", "[::]:7401"} {
		if got, err := config.Default("d").AdvertiseHost(addr); err != nil || got == "" || got == "0.0.0.0" || got == "::" {
			t.Errorf("%s: %q, %v", addr, got, err)
		}
	}
	c := config.Default("d")
	c.Advertise = "public"
	if got, err := c.AdvertiseHost("0.0.0.0:7401"); err != nil || got != "public" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestTheLogObeysLevelAndFormat(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	c := config.Default("d")
	c.LogLevel, c.LogFormat = "warn", "json"
	log := c.Logger(&out)
	log.Info("quiet")
	log.Warn("loud")
	if got := out.String(); strings.Contains(got, "quiet") || !strings.HasPrefix(got, "{") || !strings.Contains(got, "loud") {
		t.Errorf("log %s", got)
	}
}

func TestTheFirstNodeMakesASecretThatLasts(t *testing.T) {
	t.Parallel()
	c := config.Default(filepath.Join(t.TempDir(), "new"))
	first, err := c.LoadSecret()
	if err != nil {
		t.Fatal(err)
	}
	again, err := c.LoadSecret()
	if err != nil || again != first {
		t.Errorf("the second start reads %v, %v", again == first, err)
	}
	info, err := os.Stat(filepath.Join(c.Data, "secret"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	left, err := os.ReadDir(c.Data)
	if err != nil || len(left) != 1 {
		t.Errorf("the directory holds %v, %v", left, err)
	}
}

func TestANodeThatJoinsNeedsASecretAndIsToldHowToGetIt(t *testing.T) {
	t.Parallel()
	c := config.Default(t.TempDir())
	c.Join = []string{"host:7402"}
	_, err := c.LoadSecret()
	if !errors.Is(err, config.ErrNoSecret) || !strings.Contains(err.Error(), "copy DIR/secret") {
		t.Errorf("got %v", err)
	}
	c = config.Default(t.TempDir())
	c.SecretFile = filepath.Join(c.Data, "elsewhere")
	if _, err := c.LoadSecret(); !errors.Is(err, config.ErrNoSecret) {
		t.Errorf("a named file that is missing: %v", err)
	}
}

func TestANodeWithDataMakesNoNewSecret(t *testing.T) {
	t.Parallel()
	c := config.Default(t.TempDir())
	if err := os.Mkdir(c.StoreDir(), 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := c.LoadSecret()
	if !errors.Is(err, config.ErrNoSecret) || !strings.Contains(err.Error(), "--secret-file") {
		t.Errorf("got %v", err)
	}
	if left, err := os.ReadDir(c.Data); err != nil || len(left) != 1 {
		t.Errorf("the directory holds %v, %v", left, err)
	}
}

func TestASecretIs64HexDigits(t *testing.T) {
	t.Parallel()
	good := strings.Repeat("0a", 32)
	if _, err := config.ParseSecret(" " + good + "\n"); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"", good[1:], good + "00", strings.Repeat("zz", 32)} {
		if _, err := config.ParseSecret(bad); err == nil {
			t.Errorf("%q passes", bad)
		}
	}
}

func TestASecretDoesNotPrint(t *testing.T) {
	t.Parallel()
	s, err := config.ParseSecret(strings.Repeat("0a", 32))
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(verb, s); !strings.Contains(got, "****") {
			t.Errorf("%s prints %s", verb, got)
		}
	}
}

func TestDerivedKeysDifferByPurposeAndSecret(t *testing.T) {
	t.Parallel()
	a, b := config.Secret{1}, config.Secret{2}
	if bytes.Equal(a.Key("x"), a.Key("y")) || bytes.Equal(a.Key("x"), b.Key("x")) || !bytes.Equal(a.Key("x"), a.Key("x")) {
		t.Error("keys are not a function of secret and purpose alone")
	}
	if a.OperatorToken() == b.OperatorToken() || !strings.HasPrefix(a.OperatorToken(), "gvop_") {
		t.Errorf("operator token %s", a.OperatorToken())
	}
}
