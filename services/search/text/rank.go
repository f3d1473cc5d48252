package text

import "math"

// The parameters of BM25: how soon more occurrences of a word stop to count, and
// how much the length of a text counts. (Robertson and Zaragoza, The Probabilistic
// Relevance Framework, 2009.)
const (
	saturation  = 1.2
	lengthiness = 0.75
)

// rating is BM25 for one leaf of a query.
type rating struct{ rarity, average float64 }

func newRating(s Statistics, leaf int) rating {
	n, found := float64(s.Documents), 0.0
	if leaf < len(s.Found) {
		found = min(float64(s.Found[leaf]), n)
	}
	r := rating{rarity: math.Log(1 + (n-found+0.5)/(found+0.5)), average: 1}
	if s.Documents > 0 && s.Words > 0 {
		r.average = float64(s.Words) / n
	}
	return r
}

func (r rating) of(occurrences, length float64) float64 {
	return r.rarity * occurrences * (saturation + 1) /
		(occurrences + saturation*(1-lengthiness+lengthiness*length/r.average))
}
