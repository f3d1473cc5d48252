package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// SignUp is what making an account takes.
type SignUp struct {
	Username    string `json:"username"`
	Password    string `json:"password"`
	DisplayName string `json:"display_name,omitempty"`
	Bio         string `json:"bio,omitempty"`
}

// Account is a user that the testnet acts for.
type Account struct {
	ID    string `json:"id"`
	Token string `json:"token"`
}

// abandoned is a little longer than the service holds a name for a sign-up whose
// node died before the account was made.
const abandoned = 75 * time.Second

// SignUp makes an account, or logs in to the one that an interrupted run made.
// Where neither is possible the name may be that of a sign-up which a node's
// death cut short, so SignUp tries on until the service has given such a name
// free.
func (p *Pool) SignUp(ctx context.Context, node int, s SignUp) (Account, error) {
	begun := time.Now()
	for attempt := 0; ; attempt++ {
		account, err := p.signUpOrLogIn(ctx, node+attempt, s)
		if Status(err) != http.StatusUnauthorized || time.Since(begun) > abandoned {
			return account, err
		}
		if err := Pause(ctx, backoff(attempt, err)); err != nil {
			return Account{}, err
		}
	}
}

func (p *Pool) signUpOrLogIn(ctx context.Context, node int, s SignUp) (Account, error) {
	reply, err := p.Retry(ctx, node, Request{Method: http.MethodPost, Path: "/v1/users", Body: s})
	if Status(err) == http.StatusConflict {
		return p.LogIn(ctx, node, s.Username, s.Password)
	}
	if err != nil {
		return Account{}, err
	}
	var user struct {
		ID      string
		Session struct{ Token string }
	}
	if err := decode(reply.Body, &user); err != nil {
		return Account{}, fmt.Errorf("sign up %s: %w", s.Username, err)
	}
	if user.ID == "" || user.Session.Token == "" {
		return Account{}, fmt.Errorf("sign up %s: the answer lacks id or session.token", s.Username)
	}
	return Account{ID: user.ID, Token: user.Session.Token}, nil
}

// LogIn gives an account a new token.
func (p *Pool) LogIn(ctx context.Context, node int, username, password string) (Account, error) {
	body := map[string]string{"username": username, "password": password}
	reply, err := p.Retry(ctx, node, Request{Method: http.MethodPost, Path: "/v1/sessions", Body: body})
	if err != nil {
		return Account{}, fmt.Errorf("log in %s: %w", username, err)
	}
	var session struct {
		Token string
		User  struct{ ID string }
	}
	if err := decode(reply.Body, &session); err != nil {
		return Account{}, fmt.Errorf("log in %s: %w", username, err)
	}
	return Account{ID: session.User.ID, Token: session.Token}, nil
}

// Follow makes a account follow another user. The node asked may be some
// milliseconds behind the one that made either of them.
func (p *Pool) Follow(ctx context.Context, node int, who Account, other string) error {
	path := "/v1/users/" + who.ID + "/following/" + other
	_, err := p.Retry(ctx, node, Request{Method: http.MethodPut, Path: path, Token: who.Token}, http.StatusNotFound)
	return err
}

// Draft is a post to be made. Session is the one under which the post it answers
// was acknowledged.
type Draft struct {
	Text, ReplyTo, Key, Session string
}

// Posted is an acknowledged post.
type Posted struct {
	ID, Session string
	Copies      int
}

// Post posts, once whatever the retries. The Session of the draft orders it
// after the post it answers.
func (p *Pool) Post(ctx context.Context, node int, who Account, d Draft) (Posted, error) {
	body := struct {
		Text    string `json:"text"`
		ReplyTo string `json:"reply_to,omitempty"`
	}{d.Text, d.ReplyTo}
	reply, err := p.Retry(ctx, node, Request{
		Method: http.MethodPost, Path: "/v1/posts", Token: who.Token, Session: d.Session, Key: d.Key, Body: body,
	})
	if err != nil {
		return Posted{}, err
	}
	var post struct{ ID string }
	if err := decode(reply.Body, &post); err != nil {
		return Posted{}, fmt.Errorf("post: %w", err)
	}
	return Posted{ID: post.ID, Session: reply.Session, Copies: reply.Copies}, nil
}

// errEndless guards against a list whose cursor never ends.
var errEndless = errors.New("the list's cursor repeats")

// List reads a paged list from one node to its end, or to its first most items
// when most is positive.
func List[T any](ctx context.Context, p *Pool, node int, path, token string, most int) ([]T, error) {
	var items []T
	for cursor := ""; ; {
		var page struct {
			Items []T
			Next  string
		}
		r := Request{Method: http.MethodGet, Path: pagePath(path, cursor), Token: token}
		reply, err := p.again(ctx, node, r)
		if err != nil {
			return nil, err
		}
		if err := decode(reply.Body, &page); err != nil {
			return nil, fmt.Errorf("GET %s: %w", path, err)
		}
		items = append(items, page.Items...)
		if most > 0 && len(items) >= most {
			return items[:most], nil
		}
		if page.Next == "" {
			return items, nil
		}
		if page.Next == cursor {
			return nil, fmt.Errorf("GET %s: %w", path, errEndless)
		}
		cursor = page.Next
	}
}

// again asks one node, the same one each time.
func (p *Pool) again(ctx context.Context, node int, r Request) (Reply, error) {
	only := Pool{nodes: []string{p.nodes[node%len(p.nodes)]}, http: p.http}
	return only.Retry(ctx, 0, r)
}

// pagePath asks for the longest page that the API gives.
func pagePath(path, cursor string) string {
	sep := "?"
	if strings.Contains(path, "?") {
		sep = "&"
	}
	path += sep + "limit=100"
	if cursor != "" {
		path += "&cursor=" + url.QueryEscape(cursor)
	}
	return path
}

func decode(b []byte, v any) error {
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("decode answer: %w", err)
	}
	return nil
}
