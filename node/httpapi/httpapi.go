// Package httpapi serves a node's HTTP API: a file per noun, one table from
// errors to replies (errors.go), and one chain that every request passes
// (exchange.go, limits.go, auth.go).
//
// Operations are declared with huma, which validates their input and writes the
// OpenAPI document from the same declarations. The lists and single posts that
// clients read most are passed on as the services encoded them; their schemas
// are declared beside the handlers.
package httpapi

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"grapevine/node/trace"
)

//go:generate go test -run TestTheCommittedOpenAPIDocumentIsCurrent -update .

// Config is what the API needs. Users, Graph, Posts, Timelines, Lists, Notifications, Webhooks,
// Search, Trends, Takeout, Cluster, Backups, Inspector and OperatorToken are required.
type Config struct {
	Users         Users
	Graph         Graph
	Posts         Posts
	Timelines     Timelines
	Live          Live
	Search        Search
	Trends        Trends
	Lists         Lists
	Notifications Notifications
	Webhooks      Webhooks
	Takeout       Takeout
	Cluster       Cluster
	Backups       Backups
	Inspector     Inspector
	// Faults, when not nil, mounts POST /v1/unsafe/faults.
	Faults Faults
	// OperatorToken authorizes acts on the cluster.
	OperatorToken string
	// Log is where failures go, slog.Default() when nil. No token, password or
	// text of a user is logged.
	Log *slog.Logger
	// Tracer follows requests; nil follows none.
	Tracer *trace.Tracer
	// Metrics is served at /metrics and takes the API's own; a new registry when
	// nil.
	Metrics *prometheus.Registry
	// MaxInFlight bounds the requests served at once, and as many whose bodies are
	// still coming; DefaultMaxInFlight when 0. Fewer are served while they take longer
	// than usual. Probes, metrics and the operator are served beyond it.
	MaxInFlight int
	// SignUpsPerMinute bounds the accounts made from one client address; 0 bounds
	// nothing.
	SignUpsPerMinute int
	// TrustedProxies are the networks of the proxies that are believed about whom a
	// request is from.
	TrustedProxies []netip.Prefix
	// Timeout bounds the time of a request, DefaultTimeout when 0.
	Timeout time.Duration
}

// Defaults and bounds of the API.
const (
	DefaultMaxInFlight = 1024
	DefaultTimeout     = 10 * time.Second
	MaxBody            = 64 << 10 // bytes of a request body
	MaxHeader          = 32 << 10 // bytes of a request's line and headers
)

// api is the handler. Its fields are set by New and not changed after.
type api struct {
	Config
	mux       *http.ServeMux
	huma      huma.API
	metrics   *metrics
	openapi   func() ([]byte, error) // made when it is first asked for
	admission *admission
	bodies    gate // requests whose bodies are being read
	profiles  gate
	limits    *limits
	slowLines *rate.Limiter
}

// New makes the handler of a node's HTTP API. It fails when the API's metrics
// are already registered with Config.Metrics.
func New(c Config) (http.Handler, error) {
	a := &api{Config: c, mux: http.NewServeMux(), limits: newLimits(c.SignUpsPerMinute), slowLines: newSlowLines()}
	a.setDefaults()
	exactNames()
	a.admission = newAdmission(a.MaxInFlight)
	m, err := newMetrics(a.Metrics, a.admission)
	if err != nil {
		return nil, fmt.Errorf("httpapi: registering metrics: %w", err)
	}
	a.metrics = m
	a.huma = humago.New(a.mux, a.humaConfig())
	a.routes()
	a.openapi = sync.OnceValues(a.document)
	return a, nil
}

func (a *api) setDefaults() {
	if a.Log == nil {
		a.Log = slog.Default()
	}
	if a.Metrics == nil {
		a.Metrics = prometheus.NewRegistry()
	}
	if a.MaxInFlight == 0 {
		a.MaxInFlight = DefaultMaxInFlight
	}
	if a.Timeout == 0 {
		a.Timeout = DefaultTimeout
	}
}

func (a *api) routes() {
	a.userRoutes()
	a.sessionRoutes()
	a.takeoutRoutes()
	a.followRoutes()
	a.friendRoutes()
	a.blockRoutes()
	a.postRoutes()
	a.markRoutes()
	a.timelineRoutes()
	a.streamRoutes()
	a.listRoutes()
	a.notificationRoutes()
	a.webhookRoutes()
	a.searchRoutes()
	a.trendRoutes()
	a.clusterRoutes()
	a.planRoutes()
	a.inspectRoutes()
	a.overviewRoutes()
	a.operateRoutes()
	a.backupRoutes()
	a.probeRoutes()
	a.profileRoutes()
	a.docsRoutes()
	a.consoleRoutes()
	if a.Faults != nil {
		a.faultRoutes()
	}
	a.mux.HandleFunc("/", a.noRoute)
}

// Server wraps an API handler with the limits that guard a listener: on the
// size and the time of headers, on idle connections, and on clients that are
// slow to read, which would hold their places among the requests in flight. The
// body and the time of a request are bounded by the handler.
func Server(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    MaxHeader,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}
