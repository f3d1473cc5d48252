// Package config holds the settings of a node, the rules they obey, and the
// cluster secret with the keys derived from it. The command line, the testnet
// and tests all start nodes from a Config.
package config

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
)

// Config is the settings of a node. The tags are those of kong, which reads the
// fields from flags, from the environment (GRAPEVINE_DATA for --data) and from
// the file of --config, in this order of precedence. Default gives a Config with
// the defaults.
type Config struct {
	Data   string `placeholder:"DIR" help:"Directory of the node's data. Made when missing."`
	HTTP   string `name:"http" default:"127.0.0.1:7400" placeholder:"HOST:PORT" help:"Where the API is served. Clear text: keep it on loopback or behind a TLS proxy. (${default})"`
	P2P    string `name:"p2p" env:"GRAPEVINE_P2P" default:"0.0.0.0:7401" placeholder:"HOST:PORT" help:"Where peers exchange data, encrypted. (${default})"`
	Gossip string `default:"0.0.0.0:7402" placeholder:"HOST:PORT" help:"Where peers watch each other, TCP and UDP, encrypted. (${default})"`

	Advertise  string   `placeholder:"HOST" help:"Host at which the other nodes reach this one. By default the host that is bound or, when that is any, the machine's first private address, else its first public one."`
	Join       []string `placeholder:"HOST:PORT,…" help:"Gossip addresses of nodes of the cluster to join. Without it a new node begins a new cluster."`
	SecretFile string   `placeholder:"FILE" help:"File with the cluster's secret, 64 hex digits. By default DIR/secret, which the first node of a cluster makes."`

	Zone   string `placeholder:"NAME" help:"What fails together with this node: a rack, a site. Copies are spread over zones. A change takes effect when the node is started again."`
	Weight uint32 `default:"100" placeholder:"N" help:"Share of the data: 100 is one ordinary node, 0 owns nothing. A change takes effect when the node is started again. (${default})"`
	Copies int    `default:"3" placeholder:"N" help:"Nodes that keep each row, fixed when the cluster is made. (${default})"`

	PartitionBits int `default:"8" placeholder:"B" help:"The ring is cut into 2^B partitions, fixed when the cluster is made. (${default})"`
	MaxInFlight   int `default:"1024" placeholder:"N" help:"Requests served at once; more are told to try again. (${default})"`

	SignUpsPerMinute int `name:"signups-per-minute" default:"0" placeholder:"N" help:"Accounts that can be made here from one client address in a minute; 0 sets no bound. Set it when strangers reach the API. (${default})"`

	LogLevel  string `enum:"debug,info,warn,error" default:"info" placeholder:"LEVEL" help:"Least level that is logged: ${enum}. (${default})"`
	LogFormat string `enum:"text,json" default:"text" placeholder:"FORMAT" help:"How the log is written on standard error: ${enum}. (${default})"`

	UnsafeFaults bool `help:"Let the operator cut this node off from peers: for tests of partitions only."`

	// OnReady, when not nil, is called once, when the node serves.
	OnReady func(Ready) `kong:"-"`
}

// Ready is where a node serves: HOST:PORT each, with the real ports.
type Ready struct {
	HTTP   string `json:"http"`
	P2P    string `json:"p2p"`
	Gossip string `json:"gossip"`
	ID     string `json:"id"`
}

// Bounds of the settings.
const (
	MaxWeight        = 10_000
	MaxCopies        = 7
	MaxPartitionBits = 12
	MaxZone          = 32 // bytes
	maxInFlight      = 1 << 16
	maxSignUps       = 1_000_000
)

// Default gives the defaults of the command line with ports of the system's
// choice on loopback, for nodes within one process or machine.
func Default(data string) Config {
	return Config{
		Data: data, HTTP: "127.0.0.1:0", P2P: "127.0.0.1:0", Gossip: "127.0.0.1:0",
		Weight: 100, Copies: 3, PartitionBits: 8, MaxInFlight: 1024,
		LogLevel: "info", LogFormat: "text",
	}
}

// Verify reports every mistake at once, each with what would be right. It does
// not look at the disk or the network.
func (c Config) Verify() error {
	var all []error
	wrong := func(bad bool, flag, format string, args ...any) {
		if bad {
			all = append(all, fmt.Errorf("--%s: %s", flag, fmt.Sprintf(format, args...)))
		}
	}
	wrong(c.Data == "", "data", "is needed: name a directory for the node's data")
	for _, l := range [][2]string{{"http", c.HTTP}, {"p2p", c.P2P}, {"gossip", c.Gossip}} {
		err := checkAddr(l[1], true)
		wrong(err != nil, l[0], "%v", err)
	}
	wrong(strings.Contains(c.Advertise, "/") || isHostPort(c.Advertise), "advertise", "%q must be a host name or an address, without a port", c.Advertise)
	for _, addr := range c.Join {
		err := checkAddr(addr, false)
		wrong(err != nil, "join", "%v", err)
	}
	err := VerifyZone(c.Zone)
	wrong(err != nil, "zone", "%v", err)
	err = VerifyWeight(c.Weight)
	wrong(err != nil, "weight", "%v", err)
	wrong(c.Copies < 1 || c.Copies > MaxCopies, "copies", "%d must be 1 to %d; 3 survives the loss of two disks", c.Copies, MaxCopies)
	wrong(c.PartitionBits < 0 || c.PartitionBits > MaxPartitionBits, "partition-bits", "%d must be 0 to %d; 8 makes 256 partitions", c.PartitionBits, MaxPartitionBits)
	wrong(c.MaxInFlight < 1 || c.MaxInFlight > maxInFlight, "max-in-flight", "%d must be 1 to %d", c.MaxInFlight, maxInFlight)
	wrong(c.SignUpsPerMinute < 0 || c.SignUpsPerMinute > maxSignUps, "signups-per-minute", "%d must be 0 to %d; 0 sets no bound", c.SignUpsPerMinute, maxSignUps)
	_, known := levels[c.LogLevel]
	wrong(!known, "log-level", "%q must be debug, info, warn or error", c.LogLevel)
	wrong(c.LogFormat != "text" && c.LogFormat != "json", "log-format", "%q must be text or json", c.LogFormat)
	return errors.Join(all...)
}

// VerifyZone checks the name of a zone; "" is none.
func VerifyZone(zone string) error {
	if len(zone) > MaxZone || strings.ContainsFunc(zone, notZone) {
		return fmt.Errorf("%q must be at most %d of a-z, A-Z, 0-9, - and _", zone, MaxZone)
	}
	return nil
}

// VerifyWeight checks a node's share of the data.
func VerifyWeight(weight uint32) error {
	if weight > MaxWeight {
		return fmt.Errorf("%d must be 0 to %d; 100 is one ordinary node", weight, MaxWeight)
	}
	return nil
}

func notZone(r rune) bool {
	return !(r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z')
}

func isHostPort(s string) bool {
	_, _, err := net.SplitHostPort(s)
	return s != "" && err == nil
}

// checkAddr checks HOST:PORT. To listen, the host may be missing (any) and the
// port 0 (the system's choice).
func checkAddr(addr string, listen bool) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("%q must be HOST:PORT", addr)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	switch {
	case err != nil:
		return fmt.Errorf("%q must have a port of 0 to 65535", addr)
	case !listen && n == 0:
		return fmt.Errorf("%q must name the port of a running node", addr)
	case !listen && host == "":
		return fmt.Errorf("%q must name the host of a running node", addr)
	}
	return nil
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
