package client

// Verdict is the judgement of a whole cluster, made of what its nodes say. The
// console, `grapevine status` and `grapevine doctor` show the same one.
type Verdict struct {
	Well     bool      `json:"well" doc:"No problem was found."`
	Problems []Finding `json:"problems" nullable:"false" doc:"What is not well, each once, the worst first."`
	Notes    []string  `json:"notes" nullable:"false" doc:"What is as it is meant to be, and worth knowing."`
	UnderWay []string  `json:"under_way" nullable:"false" doc:"What the nodes are doing beside serving."`

	SafeToRestartNext bool     `json:"safe_to_restart_next" doc:"A node can be spared: a rolling restart may go on."`
	WhyNot            []string `json:"why_not" nullable:"false" doc:"Why none can."`
}

// Finding is something that is not well.
type Finding struct {
	Severity string   `json:"severity" enum:"degraded,failing" doc:"degraded: everything is served, but something wants mending. failing: some of it is not, or not everywhere."`
	What     string   `json:"what" doc:"What is wrong."`
	Follows  []string `json:"follows,omitempty" doc:"What comes of it, and ends with it."`
	Do       string   `json:"do" doc:"What mends it."`
}
