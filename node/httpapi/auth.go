package httpapi

import (
	"crypto/sha256"
	"crypto/subtle"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// access is whom an operation serves.
type access uint8

const (
	anyone   access = iota // the Authorization header is not looked at
	visitor                // a token is optional, but a wrong one is refused
	account                // needs the token of an account
	operator               // needs the operator token
)

// authenticate is the middleware of an operation that looks at tokens.
func (a *api) authenticate(need access) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		x := exchangeOf(ctx.Context())
		if f := x.identify(need, ctx.Header("Authorization")); f != nil {
			_, w := humago.Unwrap(ctx)
			writeFault(w, f)
			return
		}
		next(ctx)
	}
}

// identify finds out whom the request acts for.
func (x *exchange) identify(need access, header string) *fault {
	if header == "" {
		if need == visitor {
			return nil
		}
		return newFault(unauthorized, "Authorization", "send Authorization: Bearer TOKEN")
	}
	scheme, token, _ := strings.Cut(header, " ")
	token = strings.TrimSpace(token)
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return newFault(unauthorized, "Authorization", "must be Bearer TOKEN")
	}
	if need == operator {
		if !sameSecret(token, x.api.OperatorToken) {
			return newFault(unauthorized, "Authorization", "not the operator token of this cluster; `grapevine token` prints it")
		}
		return nil
	}
	who, err := x.api.Users.Authenticate(x.r.Context(), token)
	if err != nil {
		return x.faultOf(err)
	}
	if who.Anonymous() {
		return newFault(unauthorized, "Authorization", "the token is of no account")
	}
	x.who = who
	return nil
}

// sameSecret compares in a time that tells nothing of either.
func sameSecret(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return b != "" && subtle.ConstantTimeCompare(x[:], y[:]) == 1
}
