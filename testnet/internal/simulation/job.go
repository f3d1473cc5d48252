package simulation

import (
	"encoding/json"
	"fmt"
	"io"
)

// JobVariable is the environment variable that says that a Job comes on standard
// input.
const JobVariable = "GRAPEVINE_SIMULATION"

// ResultMark begins the line of a Job's output that is its Result as JSON.
const ResultMark = "result "

// Job is a run that is asked for from outside of the process.
type Job struct {
	Schedule Schedule `json:"schedule"`
	Trace    bool     `json:"trace"`   // give an account
	Verbose  bool     `json:"verbose"` // with the logs of the nodes
}

// Run runs the schedule and writes the account, if it is wanted, and the result.
// It must be called in a testing/synctest bubble.
func (j Job) Run(out io.Writer) {
	var account io.Writer
	if j.Trace {
		account = out
	}
	result := Run(j.Schedule, account, j.Verbose)
	line, err := json.Marshal(result)
	if err != nil {
		panic(err) // it holds numbers and text only
	}
	fmt.Fprintf(out, "\n%s%s\n", ResultMark, line)
}
