// Package config holds the settings of a node, the rules they obey, and the
// cluster secret with the keys derived from it. The command line, the testnet
// and tests all start nodes from a Config.
package config

import (
	"fmt"
	"io"
	"log/slog"
	"net"
)

// Config is the settings of a node. The tags are what one table is made of
// (settings.go), from which the command line, the environment (GRAPEVINE_DATA for
// --data) and the file of --config are read alike. Default gives a Config with the
// defaults.
type Config struct {
	Data   string `name:"data" placeholder:"DIR" help:"Directory of the node's data. Made when missing."`
	HTTP   string `name:"http" default:"127.0.0.1:7400" placeholder:"HOST:PORT" help:"Where the API is served. In clear text unless --tls-cert is given: keep it on loopback or behind a TLS proxy then."`
	P2P    string `name:"p2p" default:"0.0.0.0:7401" placeholder:"HOST:PORT" help:"Where peers exchange data, encrypted."`
	Gossip string `name:"gossip" default:"0.0.0.0:7402" placeholder:"HOST:PORT" help:"Where peers watch each other, TCP and UDP, encrypted."`

	Advertise  string   `name:"advertise" placeholder:"HOST" help:"Host at which the other nodes reach this one. By default the host that is bound or, when that is any, the machine's first private address, else its first public one."`
	Join       []string `name:"join" placeholder:"HOST:PORT,…" help:"Gossip addresses of nodes of the cluster to join. Without it a new node begins a new cluster."`
	SecretFile string   `name:"secret-file" placeholder:"FILE" help:"File with the cluster's secret, 64 hex digits. By default DIR/secret, which the first node of a cluster makes."`

	Zone   string `name:"zone" placeholder:"NAME" help:"What fails together with this node: a rack, a site. Copies are spread over zones. A change takes effect when the node is started again."`
	Weight uint32 `name:"weight" default:"100" placeholder:"N" help:"Share of the data: 100 is one ordinary node, 0 owns nothing. A change takes effect when the node is started again."`
	Copies int    `name:"copies" default:"3" placeholder:"N" help:"Nodes that keep each row, fixed when the cluster is made."`

	PartitionBits int `name:"partition-bits" default:"8" placeholder:"B" help:"The ring is cut into 2^B partitions, fixed when the cluster is made."`
	MaxInFlight   int `name:"max-in-flight" default:"1024" placeholder:"N" help:"Requests served at once; more are told to try again."`
	MaxStreams    int `name:"max-streams" default:"16384" placeholder:"N" help:"Live streams open at once; more are told to ask another node."`

	DrainSeconds int `name:"drain-seconds" default:"2" placeholder:"N" help:"How long a node that is told to stop goes on serving while /readyz and DNS say that it is not ready, so that its clients turn to other nodes first. A node that knows no other stops at once. Raise it above the pace of your balancer's probes."`

	SignUpsPerMinute int `name:"signups-per-minute" default:"0" placeholder:"N" help:"Accounts that can be made here from one client address in a minute; 0 sets no bound. Set it when strangers reach the API."`

	WebhookAllowPrivate bool `name:"webhook-allow-private" help:"Let accounts have webhooks sent to any address: this machine's and private networks' too. By default only to public ones."`

	TLSCert        string   `name:"tls-cert" placeholder:"FILE" help:"PEM file with the API's certificate and its chain. The API is then served by HTTPS alone. New files are taken up while the node runs."`
	TLSKey         string   `name:"tls-key" placeholder:"FILE" help:"PEM file with the key of --tls-cert."`
	TrustedProxies []string `name:"trusted-proxies" placeholder:"CIDR,…" help:"Networks of proxies whose Forwarded and X-Forwarded-For headers are believed, in limits and in logs. By default none is."`

	DNS     string `name:"dns" placeholder:"HOST:PORT" help:"Where DNS is answered, UDP and TCP: --dns-name has the addresses of the healthy nodes, nearest first, each as it is advertised; those that are advertised by a name are left out. By default it is not."`
	DNSName string `name:"dns-name" default:"grapevine." placeholder:"NAME" help:"The name that --dns answers for."`

	OTLPEndpoint string `name:"otlp-endpoint" placeholder:"URL" help:"OpenTelemetry collector that traces are sent to, as OTLP over HTTP: http://127.0.0.1:4318 for one on this machine. By default nothing is traced."`

	LogLevel  string `name:"log-level" enum:"debug,info,warn,error" default:"info" placeholder:"LEVEL" help:"Least level that is logged: debug, info, warn or error. Every request is logged at debug, and at info when it takes a second or more."`
	LogFormat string `name:"log-format" enum:"text,json" default:"text" placeholder:"FORMAT" help:"How the log is written on standard error: text or json."`

	UnsafeFaults bool `name:"unsafe-faults" help:"Let the operator cut this node off from peers: for tests of partitions only."`

	// OnReady, when not nil, is called once, when the node serves.
	OnReady func(Ready)

	origins map[string]origin // of what Load has read, by name
}

// Ready is where a node serves: HOST:PORT each, with the real ports, and the URL of
// its API, which says whether that is served by HTTPS.
type Ready struct {
	HTTP   string `json:"http"`
	URL    string `json:"url"`
	P2P    string `json:"p2p"`
	Gossip string `json:"gossip"`
	ID     string `json:"id"`
	DNS    string `json:"dns,omitempty"`
}

// Bounds of the settings.
const (
	MaxWeight        = 10_000
	MaxCopies        = 7
	MaxPartitionBits = 12
	MaxZone          = 32 // bytes
	maxInFlight      = 1 << 16
	maxStreams       = 1 << 20
	maxSignUps       = 1_000_000
	maxDrain         = 600 // seconds
)

// Default gives the defaults of the command line with ports of the system's
// choice on loopback, and no time to drain, for nodes within one process or machine.
func Default(data string) Config {
	return Config{
		Data: data, HTTP: "127.0.0.1:0", P2P: "127.0.0.1:0", Gossip: "127.0.0.1:0",
		Weight: 100, Copies: 3, PartitionBits: 8, MaxInFlight: 1024, MaxStreams: 16384,
		DNSName: "grapevine.", LogLevel: "info", LogFormat: "text",
	}
}

// AdvertiseHost gives the host at which others reach what listens at addr.
func (c Config) AdvertiseHost(addr string) (string, error) {
	if c.Advertise != "" {
		return c.Advertise, nil
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return "", fmt.Errorf("config: %w", err)
	}
	if ip := net.ParseIP(host); host != "" && (ip == nil || !ip.IsUnspecified()) {
		return host, nil
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return "", fmt.Errorf("config: reading the machine's addresses: %w", err)
	}
	return outward(addrs), nil
}

// outward gives the address at which other machines most likely reach this one:
// a private one before a public one, IPv4 before IPv6, and loopback on a machine
// without a network.
func outward(addrs []net.Addr) string {
	best, least := "127.0.0.1", 4
	for _, a := range addrs {
		n, ok := a.(*net.IPNet)
		if !ok || !n.IP.IsGlobalUnicast() {
			continue
		}
		rank := 0
		if !n.IP.IsPrivate() {
			rank += 2
		}
		if n.IP.To4() == nil {
			rank++
		}
		if rank < least {
			best, least = n.IP.String(), rank
		}
	}
	return best
}

var levels = map[string]slog.Level{
	"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
}

// Logger makes the node's log.
func (c Config) Logger(w io.Writer) *slog.Logger {
	opts := &slog.HandlerOptions{Level: levels[c.LogLevel]}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}
