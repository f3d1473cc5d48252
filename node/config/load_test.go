package config_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"grapevine/node/config"
)

// load reads settings as the command does: its arguments, the environment and a
// file, which is absent when text is "".
func load(t *testing.T, text string, env map[string]string, args ...string) (config.Config, error) {
	t.Helper()
	path := ""
	if text != "" {
		path = filepath.Join(t.TempDir(), "gv.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	flags := config.Flags()
	parser, err := kong.New(flags)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(args); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(flags, func(name string) (string, bool) { v, ok := env[name]; return v, ok }, path)
	if err != nil {
		err = errorText(strings.ReplaceAll(err.Error(), path, "gv.yaml"))
	}
	return c, err
}

type errorText string

func (e errorText) Error() string { return string(e) }

func setting(c config.Config, name string) config.Setting {
	for _, s := range c.Settings() {
		if s.Name == name {
			return s
		}
	}
	return config.Setting{}
}

func TestAFlagGoesBeforeTheEnvironmentBeforeTheFileBeforeTheDefault(t *testing.T) {
	t.Parallel()
	file := "data: d\nzone: file\nweight: 7\nlog-level: warn\njoin: [a:1, b:2]\n"
	env := map[string]string{"GRAPEVINE_ZONE": "env", "GRAPEVINE_WEIGHT": "8", "GRAPEVINE_TRUSTED_PROXIES": "10.0.0.0/8,::1"}
	c, err := load(t, file, env, "--zone", "flag", "--unsafe-faults")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []config.Setting{
		{Name: "zone", Value: "flag", Source: "flag"},
		{Name: "unsafe-faults", Value: "true", Source: "flag"},
		{Name: "weight", Value: "8", Source: "GRAPEVINE_WEIGHT"},
		{Name: "trusted-proxies", Value: "10.0.0.0/8,::1", Source: "GRAPEVINE_TRUSTED_PROXIES"},
		{Name: "join", Value: "a:1,b:2", Source: "gv.yaml:5"},
		{Name: "log-level", Value: "warn", Source: "gv.yaml:4"},
		{Name: "copies", Value: "3", Source: "default"},
		{Name: "tls-cert", Value: "", Source: "default"},
	} {
		got := setting(c, want.Name)
		want.Help = got.Help
		if got.Source = filepath.Base(got.Source); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	if len(c.Proxies()) != 2 || c.Weight != 8 || !c.UnsafeFaults || !reflect.DeepEqual(c.Join, []string{"a:1", "b:2"}) {
		t.Errorf("loaded %+v", c)
	}
}

func TestLoadReportsAllMistakesOfAllSourcesAtOnce(t *testing.T) {
	t.Parallel()
	file := "zoen: z\ncopies: many\nweight: [1, 2]\nzone:\nlog-level: loud\nlog-level: info\nhttp: localhost\n"
	_, err := load(t, file, map[string]string{"GRAPEVINE_MAX_IN_FLIGHT": "few", "GRAPEVINE_UNSAFE_FAULTS": "perhaps"},
		"--partition-bits", "99", "--signups-per-minute", "x", "--tls-key", "k", "--trusted-proxies", "home", "--dns", "x", "--dns-name", "a..b")
	if err == nil {
		t.Fatal("no error")
	}
	lines := strings.Split(err.Error(), "\n")
	want := []string{
		"gv.yaml:1: zoen: is no setting; did you mean zone?",
		"gv.yaml:4: zone: must have a value",
		"gv.yaml:6: log-level: is given a second time",
		`gv.yaml:3: weight: must be one value, not 2`,
		`gv.yaml:2: copies: "many" must be a whole number`,
		`GRAPEVINE_MAX_IN_FLIGHT: "few" must be a whole number`,
		`--signups-per-minute: "x" must be a whole number`,
		`GRAPEVINE_UNSAFE_FAULTS: "perhaps" must be true or false`,
		"--data: is needed",
		`gv.yaml:7: http: "localhost" must be HOST:PORT`,
		"--partition-bits: 99 must be 0 to",
		"--tls-cert: is needed with --tls-key",
		`--trusted-proxies: "home" must be a network`,
		`--dns: "x" must be HOST:PORT`,
		`--dns-name: "a..b" must be a domain name`,
		`gv.yaml:5: log-level: "loud" must be`,
	}
	if len(lines) != len(want) {
		t.Fatalf("%d mistakes, want %d:\n%v", len(lines), len(want), err)
	}
	for i := range want {
		if !strings.HasPrefix(lines[i], want[i]) {
			t.Errorf("mistake %d is %q, want %q", i, lines[i], want[i])
		}
	}
}

func TestTheAnnotatedFileNamesEverySettingWithItsDefault(t *testing.T) {
	t.Parallel()
	const committed = "../../cmd/grapevine/packaging/grapevine.yaml"
	text, err := os.ReadFile(committed)
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != config.Annotated() {
		t.Errorf("%s is not config.Annotated(); write it anew with UPDATE=%s go test ./node/config", committed, committed)
		if path := os.Getenv("UPDATE"); path != "" {
			if err := os.WriteFile(path, []byte(config.Annotated()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	// Uncommented, it is what the command does without a file.
	var lines []string
	for line := range strings.Lines(config.Annotated()) {
		if name, value, ok := strings.Cut(strings.TrimPrefix(line, "#"), ": "); ok && !strings.Contains(name, " ") {
			if !strings.ContainsAny(value, "…") && value != "\"FILE\"\n" && value != "\"NAME\"\n" && value != "\"URL\"\n" && !strings.Contains(value, "HOST") && !strings.Contains(value, "CIDR") {
				lines = append(lines, name+": "+value)
			}
		}
	}
	got, err := load(t, strings.Join(lines, ""), nil)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := load(t, "", nil, "--data", "DIR")
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range plain.Settings() {
		if g := got.Settings()[i]; g.Value != s.Value {
			t.Errorf("%s is %q in the file, %q without", s.Name, g.Value, s.Value)
		}
		if s.Help == "" {
			t.Errorf("%s has no help", s.Name)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(`{"data":"/var/lib/grapevine","join":["a:1","b:2"],"weight":100}`)
	f.Add("data: &x d\nzone: *x\n<<: {copies: 1}")
	f.Add("? [a]\n: b\n")
	f.Add("[]")
	none := func(string) (string, bool) { return "", false }
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(t.TempDir(), "gv.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if c, err := config.Load(nil, none, path); err == nil && c.Verify() != nil {
			t.Errorf("%q is loaded without a word, and wrong: %v", text, c.Verify())
		}
	})
}
