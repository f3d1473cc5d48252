package causal

// Intersect gives the dots that both v and o have seen.
func (v *Vector) Intersect(o *Vector) *Vector {
	common := NewVector()
	for replica, mine := range v.seen {
		if rs := mine.Subtract(mine.Subtract(o.seen[replica])); len(rs) > 0 {
			common.seen[replica] = rs
		}
	}
	return common
}
