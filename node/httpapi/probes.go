package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// probe is the reply of a probe that is content.
type probe struct {
	Status string `json:"status" example:"ok"`
}

type probeReply struct{ Body probe }

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
		Summary: "Say whether the node serves: 503 with the reason when it does not",
	}, a.ready)
	a.plain("/metrics", "Metrics of the node in the Prometheus format", "text/plain",
		promhttp.HandlerFor(a.Metrics, promhttp.HandlerOpts{ErrorLog: logger{a.Log}}))
	a.plain("/openapi.json", "This document", "application/openapi+json", http.HandlerFunc(a.serveOpenAPI))
}

func (a *api) ready(context.Context, *struct{}) (*probeReply, error) {
	if ready, reason := a.Cluster.Ready(); !ready {
		return nil, newFault(unavailable, "", reason)
	}
	return &probeReply{probe{"ready"}}, nil
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
	w.Header().Set("Content-Type", "application/openapi+json")
	w.Write(a.openapi) //nolint:errcheck // the client went away
}
