package social

// Friendship is how far two accounts have come towards being friends.
type Friendship string

// What asking to be friends can lead to.
const (
	Requested Friendship = "requested" // the other has not agreed
	Friends   Friendship = "friends"   // both have agreed
)

// RequestDirection is whose friend requests are meant.
type RequestDirection string

// The directions of friend requests.
const (
	Incoming RequestDirection = "in"  // others' that wait for the account's answer
	Outgoing RequestDirection = "out" // the account's own that wait for others' answers
)

// RelationCounts are the sizes of what surrounds an account.
type RelationCounts struct {
	Following int `json:"following_count" doc:"How many accounts it follows."`
	Followers int `json:"followers_count" doc:"How many accounts follow it, at most 1000000; where they are thousands, as of some seconds ago."`
	Friends   int `json:"friends_count" doc:"How many friends it has, among the first 10000 accounts that it may be friends with."`
}

// Relation is how an account stands to another.
type Relation struct {
	Following  bool `json:"following"`
	FollowedBy bool `json:"followed_by"`
	Friends    bool `json:"friends" doc:"Both agreed to be friends."`
	Requested  bool `json:"requested" doc:"The account asked the other to be friends."`
	Asked      bool `json:"asked" doc:"The other asked the account to be friends."`
	Blocking   bool `json:"blocking"`
	Muting     bool `json:"muting"`
}

// Suggestion is an account that another might want to follow, and why.
type Suggestion struct {
	User   User            `json:"user"`
	Reason SuggestionCause `json:"reason"`
}

// SuggestionCause is why an account is suggested: accounts that one follows follow it.
type SuggestionCause struct {
	Common []string `json:"common" doc:"Usernames of up to three of those whom the account follows and who follow the suggested one."`
	Count  int      `json:"count" doc:"How many of those whom the account follows, among those looked at, follow the suggested one."`
}

// Bounds of the answers about the graph.
const (
	MaxSuggestionNames = 3
	MaxPathSteps       = 6 // follows on a path
)
