package trends

import "time"

// use is what one post counts for.
type use struct {
	author string
	tags   []string
	hour   int64
}

// count is how much a tag is used.
type count struct {
	posts   int // of the window
	authors int // of the window
	usual   int // authors of each day of the baseline, summed over its days
}

func (n count) plus(m count) count {
	return count{n.posts + m.posts, n.authors + m.authors, n.usual + m.usual}
}

// recount is how old counts may be while posts change.
const recount = time.Second

// part is the posts of one partition.
type part struct {
	uses  map[string]use // by the post's id
	first int64          // no use is of an earlier hour

	// counts are those of uses at a time, but for changes since.
	counts  map[string]count
	at      time.Time
	changed bool
}

func newPart() *part { return &part{uses: map[string]use{}} }

// put keeps a post, and tells how many more there are.
func (p *part) put(id string, u use) int {
	before := len(p.uses)
	if before == 0 || u.hour < p.first {
		p.first = u.hour
	}
	p.uses[id], p.changed = u, true
	return len(p.uses) - before
}

// remove forgets a post, and tells how many fewer there are.
func (p *part) remove(id string) int {
	if _, ok := p.uses[id]; !ok {
		return 0
	}
	delete(p.uses, id)
	p.changed = true
	return 1
}

// forget forgets what is of an hour before from, and tells how many posts that were.
func (p *part) forget(from int64) int {
	if len(p.uses) == 0 || p.first >= from {
		return 0
	}
	before := len(p.uses)
	p.first = from
	for id, u := range p.uses {
		if u.hour < from {
			delete(p.uses, id)
		}
	}
	p.changed = true
	return before - len(p.uses)
}

// count gives the count of each tag, at most recount old. The result is not to be
// changed.
func (p *part) count(now time.Time) map[string]count {
	if p.counts != nil && hour(p.at) == hour(now) && (!p.changed || now.Sub(p.at) < recount) {
		return p.counts
	}
	type writer struct {
		tag, author string
		day         int64
	}
	seen, counts := map[writer]bool{}, map[string]count{}
	for _, u := range p.uses {
		day := max(0, hour(now)-u.hour) / 24 // 0 is the window; clocks differ
		for _, tag := range u.tags {
			n := counts[tag]
			if day == 0 {
				n.posts++
			}
			if w := (writer{tag, u.author, day}); !seen[w] {
				seen[w] = true
				if day == 0 {
					n.authors++
				} else {
					n.usual++
				}
			}
			counts[tag] = n
		}
	}
	p.counts, p.at, p.changed = counts, now, false
	return counts
}
