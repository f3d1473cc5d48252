package social

// TrendingTag is a hashtag that more people use than is usual for it.
type TrendingTag struct {
	Tag     string  `json:"tag" doc:"Without the #, in the form in which tags are compared."`
	Posts   int     `json:"posts" doc:"Public posts of the last 24 hours that have it."`
	Authors int     `json:"authors" doc:"Accounts that wrote these posts."`
	Usual   float64 `json:"usual" doc:"Accounts that used it on a day of the six days before, on average."`
	Score   float64 `json:"score" doc:"By how much authors are beyond what is usual: the deviance of a Poisson variable, halved. Comparable between tags."`
}

// DefaultTrends is how many trending tags are given to who does not say how many.
const DefaultTrends = 10
