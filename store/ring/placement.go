package ring

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/zeebo/xxh3"

	"grapevine/p2p"
	"grapevine/store"
)

// candidate is a member with its draw for the partition at hand.
type candidate struct {
	*Member
	draw float64
}

// rank orders all members of non-zero weight by their draws for p, best first,
// into scratch.
func rank(scratch []candidate, members []Member, p store.Partition) []candidate {
	ranked := scratch[:0]
	for i := range members {
		if m := &members[i]; m.Weight > 0 {
			ranked = append(ranked, candidate{m, draw(m, p)})
		}
	}
	slices.SortFunc(ranked, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.draw, b.draw), cmp.Compare(a.Node, b.Node))
	})
	return ranked
}

// draw gives m's number for p, the less the better. It must come out the same to
// the last bit on every machine, which math.Log does not promise; integer
// arithmetic and one IEEE division do. CRUSH's straw2 buckets take the same care.
func draw(m *Member, p store.Partition) float64 {
	return float64(negLog2(xxh3.HashStringSeed(string(m.Node), uint64(p)))) / float64(m.Weight)
}

// fractionBits is the precision of negLog2 in binary places.
const fractionBits = 40

// negLog2 gives -log2(h/2^64) in fixed point, never 0, by repeated squaring: a
// binary place of the logarithm is 1 when the square passes 2.
func negLog2(h uint64) uint64 {
	h |= 1
	zeros := bits.LeadingZeros64(h)
	mantissa := h << zeros // in [1, 2), with 63 binary places
	var fraction uint64
	for range fractionBits {
		square, _ := bits.Mul64(mantissa, mantissa) // in [1, 4), with 62 binary places
		carry := square >> 63
		fraction = fraction<<1 | carry
		mantissa = square << (1 - carry)
	}
	return uint64(zeros+1)<<fractionBits - fraction
}

// place chooses n of the ranked candidates that eligible admits: the best of
// every zone as long as there are zones, then the best of the rest. A member
// without a zone is a zone to itself.
func place(ranked []candidate, n int, eligible func(*Member) bool) []p2p.NodeID {
	chosen := make([]p2p.NodeID, 0, n)
	zones := make([]string, 0, MaxCopies)
	for _, c := range ranked {
		if len(chosen) == n {
			return chosen
		}
		if eligible(c.Member) && (c.Zone == "" || !slices.Contains(zones, c.Zone)) {
			chosen, zones = append(chosen, c.Node), append(zones, c.Zone)
		}
	}
	for _, c := range ranked {
		if len(chosen) == n {
			break
		}
		if eligible(c.Member) && !slices.Contains(chosen, c.Node) {
			chosen = append(chosen, c.Node)
		}
	}
	return chosen
}
