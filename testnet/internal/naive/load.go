package naive

import (
	"context"
	"fmt"
	"net/http"

	"grapevine/node/client"
	"grapevine/testnet/internal/dataset"
)

// Load makes the users, follows and posts of a dataset, and tells of each.
func (p *Player) Load(ctx context.Context, d *dataset.Dataset, told func()) error {
	ids := make([]string, len(d.Users))
	for i, u := range d.Users {
		var err error
		ids[i], err = p.signUp(ctx, client.SignUp{
			Username: u.Username, Password: d.Password(i), DisplayName: u.DisplayName, Bio: u.Bio,
		})
		if err != nil {
			return err
		}
		told()
	}
	for _, f := range d.Follows {
		if err := follow(p, ctx, ids[f.From], ids[f.To]); err != nil {
			return err
		}
		told()
	}
	posts := make([]string, len(d.Posts))
	for i, post := range d.Posts {
		in := client.NewPost{Text: post.Text}
		if post.ReplyTo != dataset.NoReply {
			in.ReplyTo = posts[post.ReplyTo]
		}
		var err error
		posts[i], err = p.post(ctx, ids[post.Author], in)
		if err != nil && client.StatusOf(err) != http.StatusUnprocessableEntity { // a text that no post may have
			return fmt.Errorf("post %d: %w", i, err)
		}
		told()
	}
	return nil
}
