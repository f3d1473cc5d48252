package main

import (
	"fmt"

	"grapevine/node/config"
)

type tokenVerb struct {
	Data       string `placeholder:"DIR" help:"Data directory of a node."`
	SecretFile string `placeholder:"FILE" help:"File with the cluster's secret, 64 hex digits. (DIR/secret)"`
}

// Help implements kong.HelpProvider.
func (tokenVerb) Help() string {
	return `Who has the secret can act for the operator; the token proves it without telling the secret.

  grapevine token --data /var/lib/grapevine
  curl -X POST -H "Authorization: Bearer $(grapevine token --secret-file secret)" \
      http://127.0.0.1:7400/v1/cluster/repair`
}

func (v *tokenVerb) Run(c *console) error {
	if v.Data == "" && v.SecretFile == "" {
		return usage{fmt.Errorf("name the secret with --secret-file FILE, or a node's directory with --data DIR")}
	}
	secret, err := config.Config{Data: v.Data, SecretFile: v.SecretFile}.FindSecret()
	if err != nil {
		return &hinted{err, noSecret}
	}
	token := secret.OperatorToken()
	if c.json {
		return c.encode(map[string]string{"token": token})
	}
	fmt.Fprintln(c.out, token)
	return nil
}
