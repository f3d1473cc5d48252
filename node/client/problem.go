package client

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Problem is an error reply: RFC 9457 with the offending field as an extension.
type Problem struct {
	Type     string         `json:"type" doc:"What kind of problem this is, for programs." example:"urn:grapevine:problem:invalid"`
	Title    string         `json:"title" doc:"The kind of problem, for people." example:"Invalid input"`
	Status   int            `json:"status" doc:"The HTTP status." example:"422"`
	Detail   string         `json:"detail,omitempty" doc:"What is wrong in this case and what would be right."`
	Instance string         `json:"instance,omitempty" doc:"Names this occurrence in the log of the node."`
	Field    string         `json:"field,omitempty" doc:"The JSON field, parameter or header at fault." example:"username"`
	Errors   []ProblemError `json:"errors,omitempty" nullable:"false" doc:"Each fault found in the request."`

	// RetryAfter is how long to wait before trying again, from the reply's
	// header; 0 when trying again is of no use or was not advised.
	RetryAfter time.Duration `json:"-"`
}

// ProblemError is one fault of a request.
type ProblemError struct {
	Location string `json:"location,omitempty" doc:"Where: body.FIELD, query.NAME, path.NAME or header.NAME." example:"body.username"`
	Message  string `json:"message" doc:"What is wrong there."`
}

// ProblemPrefix begins the Type of every problem.
const ProblemPrefix = "urn:grapevine:problem:"

// Kind is the last part of Type: "invalid", "not-found", "unavailable"…
func (p *Problem) Kind() string { return strings.TrimPrefix(p.Type, ProblemPrefix) }

func (p *Problem) Error() string {
	var b strings.Builder
	b.WriteString(strconv.Itoa(p.Status) + " " + p.Title)
	if p.Field != "" {
		b.WriteString(": " + p.Field)
	}
	if p.Detail != "" {
		b.WriteString(": " + p.Detail)
	}
	return b.String()
}

// StatusOf gives the HTTP status of a *Problem, or 0 for any other error.
func StatusOf(err error) int {
	var p *Problem
	if errors.As(err, &p) {
		return p.Status
	}
	return 0
}

// parseProblem makes a Problem of any error reply, also one of a proxy between.
func parseProblem(resp *http.Response, body []byte) *Problem {
	p := &Problem{}
	if json.Unmarshal(body, p) != nil || p.Title == "" {
		p = &Problem{Title: http.StatusText(resp.StatusCode), Detail: firstLine(body)}
	}
	p.Status = resp.StatusCode
	if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil {
		p.RetryAfter = time.Duration(s) * time.Second
	}
	return p
}

func firstLine(body []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(body)), "\n")
	return line[:min(len(line), 200)]
}
