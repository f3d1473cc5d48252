package torture

import "slices"

// Expectation is what the journal says that every node has to answer. It is made
// by rules that are too plain to be wrong in the way a distributed system can be:
//
//   - an acknowledged act stands, unless as many disks were lost since it began as
//     it had copies: then it is excused;
//   - an act of unknown outcome may stand, and may come to stand at any time
//     before the next mark Settled;
//   - a user acts one thing after the other, so the last one counts.
type Expectation struct {
	Users   map[string]*User // by id
	Excused int              // acknowledged acts whose loss the promise permits
}

// User is what is expected of one account.
type User struct {
	ID, Name string
	Excused  bool             // its sign-up is
	Loss     bool             // any of its acts is
	Posts    map[string]*Fate // by id
	Follows  map[string]*Fate // by the id of who is followed
	Maybe    map[string]bool  // texts of posts that may stand, whose ids nobody was told
}

// Fate is what may be answered about one thing: that it stands, that it does not,
// or either. Excused says that a permitted loss is part of why.
type Fate struct {
	Stands, Gone bool
	Excused      bool
	Texts        []string // of a post that stands: one of these
}

// Expect reads the journal.
func Expect(entries []Entry) *Expectation {
	r := &reader{users: map[string]*User{}}
	for _, e := range entries {
		if e.mark() {
			r.marks = append(r.marks, e)
		}
	}
	excused := 0
	posts, pairs := map[string][]Entry{}, map[[2]string][]Entry{}
	for _, e := range entries {
		if !e.mark() && r.excused(e) {
			excused++
			r.user(e.User).Loss = true
		}
		switch e.Act {
		case SignUp:
			u := r.user(e.User)
			u.Name, u.Excused = e.Name, r.excused(e)
		case Post, Edit, Delete:
			if e.Post == "" {
				r.user(e.User).Maybe[e.Text] = true
				continue
			}
			posts[e.Post] = append(posts[e.Post], e)
		case Follow, Unfollow:
			pairs[[2]string{e.User, e.Other}] = append(pairs[[2]string{e.User, e.Other}], e)
		}
	}
	for id, acts := range posts {
		r.user(acts[0].User).Posts[id] = r.post(acts)
	}
	for ends, acts := range pairs {
		r.user(ends[0]).Follows[ends[1]] = r.follow(acts)
	}
	return &Expectation{Users: r.users, Excused: excused}
}

// reader builds an Expectation.
type reader struct {
	marks []Entry
	users map[string]*User
}

func (r *reader) user(id string) *User {
	u := r.users[id]
	if u == nil {
		u = &User{ID: id, Posts: map[string]*Fate{}, Follows: map[string]*Fate{}, Maybe: map[string]bool{}}
		r.users[id] = u
	}
	return u
}

// excused says whether the promise permits that an acknowledged act is lost.
func (r *reader) excused(e Entry) bool {
	copies, lost := e.Copies, 0
	for _, mark := range r.marks[e.Begun:] {
		if mark.Act == Settled {
			copies, lost = mark.Copies, 0
			continue
		}
		if lost++; e.Acknowledged() && lost >= copies {
			return true
		}
	}
	return false
}

// period numbers the times between marks Settled: what was under way in one is
// over in the next.
func (r *reader) period(e Entry) int {
	n := 0
	for _, mark := range r.marks[:e.Begun] {
		if mark.Act == Settled {
			n++
		}
	}
	return n
}

// post reads the acts on one post, of which the first made it.
func (r *reader) post(acts []Entry) *Fate {
	f := &Fate{Stands: true, Texts: r.texts(acts)}
	for _, e := range acts {
		excused := r.excused(e)
		f.Excused = f.Excused || excused
		switch {
		case e.Act == Post && excused:
			f.Gone = true
		case e.Act == Delete:
			f.Gone = true
			f.Stands = f.Stands && (excused || !e.Acknowledged())
		}
	}
	return f
}

// texts gives what a post may say: what was acknowledged last, what came before
// as far as that may be lost, and every text of unknown outcome that was under way
// since.
func (r *reader) texts(acts []Entry) []string {
	var texts []string
	since := 0
	for _, e := range slices.Backward(acts) {
		if e.Act == Delete || !e.Acknowledged() {
			continue
		}
		texts = append(texts, e.Text)
		since = r.period(e)
		if !r.excused(e) {
			break
		}
	}
	for _, e := range acts {
		if e.Act == Edit && !e.Acknowledged() && r.period(e) >= since {
			texts = append(texts, e.Text)
		}
	}
	return texts
}

// follow reads the acts on one pair of users.
func (r *reader) follow(acts []Entry) *Fate {
	f := &Fate{Gone: true}
	since := 0
	for _, e := range acts {
		switch {
		case !e.Acknowledged():
			continue
		case r.excused(e):
			f.Stands, f.Gone, f.Excused = f.Stands || e.Act == Follow, f.Gone || e.Act == Unfollow, true
		default:
			f = &Fate{Stands: e.Act == Follow, Gone: e.Act == Unfollow}
			since = r.period(e)
		}
	}
	for _, e := range acts {
		if !e.Acknowledged() && r.period(e) >= since {
			f.Stands, f.Gone = f.Stands || e.Act == Follow, f.Gone || e.Act == Unfollow
		}
	}
	return f
}
