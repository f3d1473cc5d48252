package users

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"grapevine/crdt"
	"grapevine/crdt/causal"
	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// abandonedAfter is how long a claim holds while the account that it was made for
// does not come to bear the name, as when a node died in the middle of a sign-up or
// of a renaming.
const abandonedAfter = time.Minute

// cutName gives the username in a ref of the form @name.
func cutName(ref string) (name string, ok bool) {
	name, ok = strings.CutPrefix(ref, "@")
	return social.FoldName(name), ok
}

// validName says whether a folded name is a username.
func validName(name string) bool {
	if len(name) < 1 || len(name) > social.MaxUsername {
		return false
	}
	for _, c := range []byte(name) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return true
}

// claimant gives the id of the user whose claim to a name holds.
func (s *Service) claimant(ctx context.Context, name string) (string, error) {
	if !validName(name) {
		return "", noUser("@" + name)
	}
	row, err := s.rows.Get(ctx, schema.Name(name))
	if errors.Is(err, store.ErrNotFound) {
		return "", noUser("@" + name)
	}
	if err != nil {
		return "", fmt.Errorf("read name %s: %w", name, err)
	}
	first, _ := row.First()
	return string(first.Value), nil
}

// IDs gives the ids of the users who hold the names, "" for a name that nobody
// holds, in a slice as long as names.
func (s *Service) IDs(ctx context.Context, names []string) ([]string, error) {
	keys := make([]store.Key, len(names))
	for i, name := range names {
		if validName(name) {
			keys[i] = schema.Name(name)
		} else {
			keys[i] = schema.Name("") // nobody's
		}
	}
	rows, err := s.rows.GetMany(ctx, keys)
	if err != nil {
		return nil, fmt.Errorf("read %d names: %w", len(names), err)
	}
	ids := make([]string, len(names))
	for i, row := range rows {
		if first, ok := row.First(); ok {
			ids[i] = string(first.Value)
		}
	}
	return ids, nil
}

// claim makes a name the user's, or fails with Conflict. An error that wraps
// store.ErrDurability means that the claim stands on fewer copies than asked for.
// A key, if not empty, is that of the sign-up it is for.
func (s *Service) claim(ctx context.Context, name, user, key string) (store.Receipt, error) {
	m := store.Mutation{Key: schema.Name(name), Op: store.Put, If: store.IfAbsent, Value: []byte(user)}
	if key != "" {
		m.Fields = []store.FieldValue{{ID: schema.FieldClaimKey, Value: schema.ClaimKey(user, key)}}
	}
	claimed, err := s.rows.Write(ctx, store.Write{Serial: true, Mutations: []store.Mutation{m}})
	if errors.Is(err, store.ErrExists) {
		m.If = store.Always
		return s.succeed(ctx, name, m)
	}
	return claimed, err
}

// succeed takes over a claim that was abandoned. The succession row lets only one
// of several successors through. An account that is being deleted has not
// abandoned its claim: its credential stands until fan-out has released the name.
func (s *Service) succeed(ctx context.Context, name string, claim store.Mutation) (store.Receipt, error) {
	confirm := schema.Majority(ctx)
	row, err := s.rows.Get(confirm, schema.Name(name))
	if errors.Is(err, store.ErrNotFound) {
		return store.Receipt{}, taken(name)
	}
	if err != nil {
		return store.Receipt{}, err
	}
	first, _ := row.First()
	holder := string(first.Value)
	if s.now().Sub(first.Time.Time()) < abandonedAfter {
		return store.Receipt{}, taken(name)
	}
	account, err := s.rows.GetMany(confirm, []store.Key{schema.User(holder), schema.Credential(holder), schema.FormerName(holder, name)})
	if err != nil {
		return store.Receipt{}, err
	}
	bears, err := bearsName(holder, name, account)
	if err != nil {
		return store.Receipt{}, err
	}
	if bears {
		return store.Receipt{}, taken(name)
	}
	claim.Ends = []causal.Dot{first.Dot}
	claimed, err := s.rows.Write(ctx, store.Write{Serial: true, Mutations: []store.Mutation{
		{Key: schema.Succession(name, holder), Op: store.Put, If: store.IfAbsent},
		claim,
	}})
	if errors.Is(err, store.ErrExists) {
		return store.Receipt{}, taken(name)
	}
	return claimed, err
}

// bearsName says whether an account, given its user row, its credential and its row
// for the name as a former one, bears the name, or will release it by itself.
func bearsName(user, name string, account []crdt.Row) (bool, error) {
	if !account[0].Exists() || account[2].Exists() {
		return account[1].Exists(), nil
	}
	u, err := schema.DecodeUser(user, account[0])
	return u.Username == name, err
}

// release gives a claim back that no account came of. Others' claims stay.
func (s *Service) release(ctx context.Context, name string, claim causal.Dot) error {
	_, err := s.rows.Write(ctx, store.Write{Serial: true, Mutations: []store.Mutation{
		{Key: schema.Name(name), Op: store.Remove, Ends: []causal.Dot{claim}},
	}})
	return err
}

func taken(name string) error {
	return &social.Error{Kind: social.Conflict, Field: "username", Detail: fmt.Sprintf("%s is taken; choose another", name)}
}
