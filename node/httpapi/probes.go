package httpapi

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"grapevine/node/client"
)

// probe is the reply of a probe that is content.
type probe struct {
	Status string `json:"status" example:"ok"`
}

type probeReply struct{ Body probe }

type readinessReply struct{ Body client.Readiness }

// probeRoutes are what machines ask beside the API.
func (a *api) probeRoutes() {
	tags := []string{"probes"}
	register(a, anyone, huma.Operation{
		OperationID: "healthz", Method: http.MethodGet, Path: "/healthz", Tags: tags,
		Summary: "Say that the process runs",
	}, func(context.Context, *struct{}) (*probeReply, error) {
		return &probeReply{probe{"ok"}}, nil
	})
	register(a, anyone, huma.Operation{
		OperationID: "readyz", Method: http.MethodGet, Path: "/readyz", Tags: tags,
		Summary:     "Say whether the node serves: 503 with the reason when it does not",
		Description: "A rolling restart waits for ?for=restart on the node restarted last, and goes on when it answers 200. A problem of this path carries the members of Readiness too.",
		Errors:      []int{http.StatusUnprocessableEntity},
	}, a.ready)
	a.plain("/metrics", "Metrics of the node in the Prometheus format", "text/plain",
		promhttp.HandlerFor(a.Metrics, promhttp.HandlerOpts{ErrorLog: logger{a.Log}}))
	a.plain("/openapi.json", "This document", "application/openapi+json", http.HandlerFunc(a.serveOpenAPI))
}

// ready answers 503 when the node does not serve or, asked so, when no other can
// be spared.
func (a *api) ready(ctx context.Context, in *struct {
	For string `query:"for" enum:"restart" doc:"With restart, 200 means that the next node can be restarted."`
}) (*readinessReply, error) {
	r := a.Cluster.Readiness(ctx)
	switch {
	case !r.Ready:
		return nil, unready(r, r.Reason)
	case in.For == "restart" && !r.SafeToRestartNext:
		return nil, unready(r, "wait before restarting the next node: "+strings.Join(r.WhyNot, "; "))
	}
	return &readinessReply{r}, nil
}

func unready(r client.Readiness, detail string) *fault {
	f := newFault(unavailable, "", detail)
	f.Readiness = &r
	return f
}

// plain mounts and documents a handler that is not of huma.
func (a *api) plain(path, summary, contentType string, h http.Handler) {
	a.mux.Handle("GET "+path, h)
	a.huma.OpenAPI().AddOperation(&huma.Operation{
		OperationID: path[1:], Method: http.MethodGet, Path: path, Summary: summary, Tags: []string{"probes"},
		Responses: map[string]*huma.Response{"200": {
			Description: "OK",
			Content:     map[string]*huma.MediaType{contentType: {}},
		}},
	})
}

func (a *api) serveOpenAPI(w http.ResponseWriter, _ *http.Request) {
	document, err := a.openapi()
	if err != nil {
		panic(err) // the declarations that the document is made of are constant
	}
	w.Header().Set("Content-Type", "application/openapi+json")
	w.Write(document) //nolint:errcheck // the client went away
}
