// Package grapevine_test holds the rules of the house as tests: who may import
// whom, and why. The tree is parsed here and now, never listed by the go command,
// whose cached answers can be stale.
package grapevine_test

import (
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// floors lists every package; a path that ends in /... stands for a tree. A
// package imports strictly lower floors: commands go down by function call, facts
// come up by reading a change log. Its tests from within may also import its own
// floor; those from without (package x_test) build what house they need.
var floors = [][]string{
	0: {"crdt", "crdt/hlc", "crdt/causal", "p2p", "services/social"},
	1: {"store", "p2p/libp2pnet", "p2p/swim", "p2p/simnet", "p2p/p2ptest"},
	2: {"store/badgerdb", "store/memdb", "store/ring", "store/storetest", "store/archive"},
	3: {"store/replica", "services/schema", "services/coherent", "services/scatter", "services/follow"},
	4: {"node/trace", "services/users", "services/graph", "services/posts", "services/timeline", "services/lists", "services/takeout", "services/trends", "services/notify", "services/search/text", "services/servicetest"},
	5: {"services/fanout", "services/live", "services/search", "services/search/scorch", "services/webhooks", "node/config", "node/dns", "node/routing", "node/client", "node/console"},
	6: {"node/outbound", "node/httpapi", "node/verdict"},
	7: {"node"},
	8: {"testnet/..."},
	9: {"cmd/grapevine"},
}

// families are packages of one floor that are one thing in parts: the first may
// import the others, and parts of a tree each other.
var families = [][]string{
	{"crdt", "crdt/causal", "crdt/hlc"},
	{"testnet/..."},
}

// helpers are packages for tests. Any test may import them, and nothing else may.
var helpers = []string{"p2p/p2ptest", "store/storetest", "services/servicetest"}

// boundary keeps what is imported to a few packages.
type boundary struct {
	imports string   // this path, or with /... this tree; the longest that fits counts
	only    []string // may import it; none may when empty
	tests   bool     // test files of any package may too
	reason  string
}

var boundaries = []boundary{
	{"github.com/libp2p/...", []string{"p2p/libp2pnet"}, false,
		"libp2p stays behind p2p's ports, or it could neither be simulated nor replaced"},
	{"github.com/libp2p/go-libp2p/core/crypto", []string{"p2p/libp2pnet", "p2p/swim"}, false,
		"identities are libp2p's; swim reads the public key that a NodeID is, and no more"},
	{"github.com/libp2p/go-libp2p/core/peer", []string{"p2p/libp2pnet", "p2p/swim"}, false,
		"identities are libp2p's; swim reads the public key that a NodeID is, and no more"},
	{"github.com/multiformats/...", []string{"p2p/libp2pnet"}, false,
		"addresses are HOST:PORT everywhere but inside libp2p's adapter"},
	{"github.com/hashicorp/...", []string{"p2p/swim"}, false,
		"memberlist stays behind p2p.Members, or liveness could not be simulated"},
	{"github.com/dgraph-io/...", []string{"store/badgerdb", "testnet/internal/bench"}, false,
		"Badger stays behind store.Engine; the benchmark measures it bare as its floor"},
	{"github.com/tidwall/btree", []string{"store/memdb"}, false,
		"an ordered map of one's own beside an engine would be a second copy of the truth"},
	{"github.com/blevesearch/...", []string{"services/search/scorch"}, false,
		"bleve's files stay behind text.Engine: simulations search in memory, and what ranks must be ours to be the same on all nodes"},
	{"github.com/blevesearch/snowballstem/...", []string{"services/search/text"}, false,
		"one package cuts texts into the words that are searched"},
	{"github.com/klauspost/compress/...", []string{"store/archive", "store/badgerdb"}, false,
		"a format on disk has one package that reads and writes it: the file of a backup, and Badger's tables"},
	{"github.com/miekg/...", []string{"node/dns"}, false,
		"one package knows DNS; the others know addresses of nodes"},
	{"github.com/danielgtaylor/huma/...", []string{"node/httpapi"}, false,
		"services do not know that they are served over HTTP"},
	{"github.com/alecthomas/kong", []string{"cmd/grapevine", "node/config"}, false,
		"flags are read at the door; inside, configuration is a struct"},
	{"aidanwoods.dev/...", []string{"services/users"}, false,
		"one package makes and checks tokens, so that their rules are in one place"},
	{"golang.org/x/crypto/argon2", []string{"services/users"}, false,
		"one package hashes passwords, so that the machine's load from it is bounded once"},
	{"net/http", []string{"node/client", "node/console", "node/trace", "node/httpapi", "node/outbound", "node", "testnet/...", "cmd/grapevine"}, false,
		"services and store do not know that they are served over HTTP"},
	{"log", []string{"p2p/swim"}, false,
		"logs go to the *slog.Logger that was passed in; memberlist alone knows only the old one"},
	{"grapevine/store/replica", []string{"node", "node/routing"}, true,
		"who uses the store uses store.Rows and store.ChangeLog; node alone builds it, and node/routing implements its Router"},
	{"grapevine/store/badgerdb", []string{"node", "testnet/..."}, true,
		"who uses an engine uses store.Engine; node alone builds it"},
	{"grapevine/store/memdb", []string{"testnet/..."}, true,
		"data of a shipped node outlives its process"},
	{"grapevine/p2p/libp2pnet", []string{"node"}, true,
		"who uses the network uses p2p's ports; node alone builds it"},
	{"grapevine/p2p/swim", []string{"node"}, true,
		"who uses liveness uses p2p.Members; node alone builds it"},
	{"grapevine/p2p/simnet", []string{"testnet/..."}, true,
		"a shipped node talks over the real network"},
}

// pure packages compute and do nothing else.
var pure = []string{
	"crdt", "crdt/hlc", "crdt/causal", "p2p", "store", "store/ring", "services/social", "services/schema",
}

func TestArchitectureRulesHold(t *testing.T) {
	for _, violation := range inspect(t, os.DirFS(".")) {
		t.Error(violation)
	}
}

// Each tree breaks one rule; the checker must say which.
func TestArchitectureCheckerSeesViolations(t *testing.T) {
	const doc = "// Package p is here.\npackage p\n"
	for _, c := range []struct{ name, path, source, want string }{
		{"a package on no floor", "store/extra/p.go", doc, "is on no floor"},
		{"an import of a higher floor", "store/p.go", doc + `import _ "grapevine/store/ring"`, "strictly lower floors"},
		{"an import of the same floor", "services/users/p.go", doc + `import _ "grapevine/services/posts"`, "never import one another"},
		{"an import within a family upwards", "crdt/causal/p.go", doc + `import _ "grapevine/crdt"`, "strictly lower floors"},
		{"an import of a package that is not there", "node/p.go", doc + `import _ "grapevine/gone"`, "is on no floor"},
		{"a test that imports a higher floor", "store/p_test.go", "package p\n" + `import _ "grapevine/store/ring"`, "a test within a package"},
		{"a test helper in shipped code", "store/replica/p.go", doc + `import _ "grapevine/store/storetest"`, "is for tests"},
		{"a technology outside its adapter", "store/replica/p.go", doc + `import _ "github.com/dgraph-io/badger/v4"`, "Badger stays behind"},
		{"a technology's part beyond what is allowed", "p2p/swim/p.go", doc + `import _ "github.com/libp2p/go-libp2p/core/host"`, "stays behind p2p's ports"},
		{"HTTP in a service", "services/posts/p.go", doc + `import _ "net/http"`, "served over HTTP"},
		{"a second wiring", "node/httpapi/p.go", doc + `import _ "grapevine/store/replica"`, "node alone builds it"},
		{"a service that knows the network", "services/posts/p.go", doc + `import _ "grapevine/p2p"`, "ports of the store"},
		{"a goroutine in a pure package", "crdt/p.go", doc + "func f() { go f() }", "starts a goroutine"},
		{"a clock in a pure package", "crdt/p.go", doc + "import \"time\"\nvar _ = time.Now()", "reads the clock"},
		{"a file in a pure package", "crdt/p.go", doc + `import _ "os"`, "does I/O"},
		{"an init function", "node/p.go", doc + "func init() {}", "init function"},
		{"no package comment", "crdt/p.go", "package p\n", "no package comment"},
		{"the old log", "node/p.go", doc + `import _ "log"`, "slog.Logger"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			tree := fstest.MapFS{c.path: {Data: []byte(c.source)}}
			got := inspect(t, tree)
			if len(got) != 1 || !strings.Contains(got[0], c.want) || !strings.Contains(got[0], c.path) {
				t.Errorf("got %q, want one violation in %s that says %q", got, c.path, c.want)
			}
		})
	}
}

func TestArchitectureCheckerAllowsWhatFollowsTheRules(t *testing.T) {
	const doc = "// Package p is here.\npackage p\n"
	tree := fstest.MapFS{
		"crdt/p.go":               {Data: []byte(doc + `import _ "grapevine/crdt/causal"`)},
		"crdt/p_test.go":          {Data: []byte("package p_test\n" + `import _ "os"` + "\nfunc f() { go f() }")},
		"p2p/swim/p.go":           {Data: []byte(doc + `import _ "github.com/libp2p/go-libp2p/core/peer"`)},
		"store/memdb/p_test.go":   {Data: []byte("package p_test\n" + `import _ "grapevine/store/storetest"`)},
		"store/memdb/p.go":        {Data: []byte(doc + `import _ "grapevine/store"`)},
		"store/ring/p_test.go":    {Data: []byte("package p_test\n" + `import _ "grapevine/node/routing"`)},
		"store/replica/p.go":      {Data: []byte(doc + `import _ "grapevine/store/ring"`)},
		"store/replica/p_test.go": {Data: []byte("package p\n" + `import _ "grapevine/store/memdb"`)},
		"testnet/main.go":         {Data: []byte(doc + `import _ "grapevine/testnet/internal/load"`)},
		"testnet/internal/a/p.go": {Data: []byte(doc + `import _ "grapevine/node/client"`)},
		"testdata/p.go":           {Data: []byte("not Go")},
		".hidden/p.go":            {Data: []byte("not Go")},
	}
	if got := inspect(t, tree); len(got) > 0 {
		t.Errorf("got violations %q", got)
	}
}

func TestEveryPackageIsOnOneFloor(t *testing.T) {
	seen := slices.Concat(floors...)
	slices.Sort(seen)
	if once := slices.Compact(slices.Clone(seen)); len(once) != len(seen) {
		t.Errorf("a package is listed twice in %q", seen)
	}
	for _, p := range slices.Concat(helpers, pure) {
		if !slices.Contains(seen, p) {
			t.Errorf("%s is on no floor", p)
		}
	}
}
