package simulation

import (
	"fmt"
	"net/http"
	"time"

	"grapevine/node"
)

// consequenceTime bounds how long what follows from a fact may take in a cluster
// without faults.
const consequenceTime = 2 * time.Minute

// judgePeople compares what the API says with what people were promised: their
// accounts and posts at once, their home timelines as soon as all has followed.
func (w *world) judgePeople() {
	n := w.anyNode()
	for _, p := range w.people {
		if p.id == "" || !w.ledger.holds(p.account) {
			continue
		}
		if r := exchange(n, "GET", "/v1/users/"+p.id, nil, "", ""); r.status != http.StatusOK {
			w.trace.fail(AcknowledgedKept, "the account of person %d answers %d", p.number, r.status)
			return
		}
		for _, post := range p.posts {
			w.judgePost(n, p, post)
		}
	}
	var wrong error
	for deadline := time.Now().Add(consequenceTime); time.Now().Before(deadline); time.Sleep(settlePoll) {
		if wrong = w.judgeHomes(n); wrong == nil {
			return
		}
	}
	w.trace.fail(ConsequencesFollow, "%v after faults have ended, %v", consequenceTime, wrong)
}

func (w *world) anyNode() *node.Node {
	for _, p := range w.peers {
		if n, _ := p.running(); n != nil {
			return n
		}
	}
	panic("simulation: no node runs")
}

func (w *world) judgePost(n *node.Node, p *person, post *posted) {
	r := exchange(n, "GET", "/v1/posts/"+post.id, nil, "", "")
	switch {
	case post.removed != nil && w.ledger.holds(*post.removed) && r.status != http.StatusNotFound:
		w.trace.fail(DeletedStaysDeleted, "the deleted post %q of person %d answers %d", post.text, p.number, r.status)
	case post.removed == nil && !post.unsure && w.ledger.holds(post.made) && r.status != http.StatusOK:
		w.trace.fail(AcknowledgedKept, "the post %q of person %d answers %d", post.text, p.number, r.status)
	}
}

// judgeHomes says what a home timeline lacks, or has and should not.
func (w *world) judgeHomes(n *node.Node) error {
	for _, p := range w.people {
		if p.id == "" || !w.ledger.holds(p.account) {
			continue
		}
		r := exchange(n, "GET", "/v1/timelines/home?limit=100", nil, p.token, "")
		f, err := parseFeed(r.body)
		if !r.fine() || err != nil {
			return fmt.Errorf("the home timeline of person %d answers %d", p.number, r.status)
		}
		for _, author := range w.people {
			if follow := p.follows[author.number]; follow != nil && !follow.unsure && w.ledger.holds(follow.since) {
				if err := w.judgeFeed(f, p, author, follow.follows); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (w *world) judgeFeed(f feed, reader, author *person, follows bool) error {
	for _, post := range author.posts {
		_, there := f[post.id]
		removed := post.removed != nil && w.ledger.holds(*post.removed)
		kept := post.removed == nil && !post.unsure && w.ledger.holds(post.made)
		switch {
		case there && (removed || !follows):
			return fmt.Errorf("person %d still sees the post %q of person %d", reader.number, post.text, author.number)
		case !there && kept && follows:
			return fmt.Errorf("person %d does not see the post %q of person %d", reader.number, post.text, author.number)
		}
	}
	return nil
}
