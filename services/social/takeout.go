package social

import "time"

// ArchivedPost is a post in an archive of an account. Text is the present one.
type ArchivedPost struct {
	Post
	OriginalText string `json:"original_text,omitempty"` // of a post that was edited
}

// ArchivedEdit is a text that a post in an archive was given later, also the present
// one.
type ArchivedEdit struct {
	Post string    `json:"post"`
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

// Imported says what became of an archive.
type Imported struct {
	Profile   bool   `json:"profile" doc:"Whether the profile was taken over."`
	Posts     int    `json:"posts" doc:"Posts that were made."`
	Edits     int    `json:"edits" doc:"Earlier and present texts of edited posts that were noted."`
	Following int    `json:"following" doc:"Accounts that are followed now, also those that were before."`
	Likes     int    `json:"likes" doc:"Posts that are liked now, also those that were before."`
	Friends   int    `json:"friends" doc:"Accounts that are asked to be friends now or agreed with, also those that were before."`
	Blocks    int    `json:"blocks" doc:"Accounts that are blocked now, also those that were before."`
	Mutes     int    `json:"mutes" doc:"Accounts that are muted now, also those that were before."`
	Lists     int    `json:"lists" doc:"Lists that were made."`
	Members   int    `json:"list_members" doc:"Accounts that are in lists now, also those that were before."`
	Skipped   []Skip `json:"skipped" nullable:"false" doc:"What was not taken over, and why."`
	Complete  bool   `json:"complete" doc:"Whether the archive has its end. If not, the rest of it is elsewhere."`
}

// Skip is lines of an archive that were passed over for one reason.
type Skip struct {
	Type   string `json:"type" doc:"The type of the lines."`
	Reason string `json:"reason" enum:"exists,deleted,future,invalid,malformed,no-such-list,no-such-post,no-such-user,not-importable,repeated,unknown,yourself"`
	Count  int    `json:"count"`
	Line   int    `json:"line" doc:"The first of the lines, from 1."`
	Detail string `json:"detail,omitempty" doc:"What is wrong with the first."`
}

// The reasons of a Skip.
const (
	SkipExists        = "exists"         // the account has it already
	SkipDeleted       = "deleted"        // it is being deleted at this moment
	SkipFuture        = "future"         // made at a time that has not come
	SkipInvalid       = "invalid"        // breaks a rule
	SkipMalformed     = "malformed"      // not JSON of its type
	SkipNoSuchList    = "no-such-list"   // neither here nor made by an import
	SkipNoSuchPost    = "no-such-post"   // not here for the account to see
	SkipNoSuchUser    = "no-such-user"   // neither the id nor the name is known here
	SkipNotImportable = "not-importable" // others' to decide, as who follows
	SkipRepeated      = "repeated"       // the archive has it twice
	SkipUnknown       = "unknown"        // of a type that this release does not know
	SkipYourself      = "yourself"       // nobody follows themselves
)
