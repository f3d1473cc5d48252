package main

import (
	"errors"
	"fmt"
	"os"

	"grapevine/node/client"
	"grapevine/node/config"
)

// operator is embedded by verbs that act on the cluster: it says how they prove
// that they may.
type operator struct {
	Token      string `placeholder:"TOKEN" help:"The operator token, as grapevine token prints it."`
	SecretFile string `placeholder:"FILE" help:"File with the cluster's secret, from which the token follows."`
	Data       string `placeholder:"DIR" help:"Data directory of a node of this machine, which holds the secret."`
}

// noSecret is what to do when there is no secret where one was looked for.
const noSecret = "name a file with the cluster's secret with --secret-file; a directory named with --data holds it only when its node began the cluster, or when it was copied there"

// within gives a console that asks as the operator where the token is named, and says
// whether it is: for verbs that show more to the operator. A secret that only the
// context names need not be there.
func (o operator) within(c *console) (within *console, operates bool, err error) {
	asked, err := o.client(c)
	if err != nil && o == (operator{}) {
		return c, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	as := *c
	as.client = asked
	return &as, true, nil
}

// client gives a client of the asked node that acts for the operator.
func (o operator) client(c *console) (*client.Client, error) {
	token := o.Token
	if token == "" {
		if o.SecretFile == "" && o.Data == "" {
			o.SecretFile = c.secret
		}
		if o.SecretFile == "" && o.Data == "" {
			return nil, usage{errors.New("this needs the operator token: name it with --token, or the secret with --secret-file FILE or a node's directory with --data DIR")}
		}
		secret, err := config.Config{Data: o.Data, SecretFile: o.SecretFile}.FindSecret()
		if errors.Is(err, os.ErrPermission) {
			return nil, &hinted{err, "run this as the user that the node runs as, or name the token with --token"}
		}
		if err != nil {
			return nil, &hinted{fmt.Errorf("the operator token: %w", err), noSecret}
		}
		token = secret.OperatorToken()
	}
	return c.client.With(client.WithToken(token)), nil
}
