package social

import (
	"errors"
	"fmt"
)

// Kind is the class of an error: what a caller can do about it.
type Kind uint8

const (
	Internal        Kind = iota // a defect or a fault of ours; its text stays in the log
	Invalid                     // the input breaks a rule; Field names where
	Unauthenticated             // no valid token
	Forbidden                   // another's resource
	NotFound
	Conflict    // taken, or contradicts the present state
	TooLarge    // exceeds a bound on size
	Overloaded  // try again later
	Unavailable // the owners of the data cannot be reached, or not in time
	NoSpace     // the node takes no writes for want of disk
)

// Error is the error that services return for everything a client can cause or
// mend. Any other error is Internal.
type Error struct {
	Kind   Kind
	Field  string // the JSON field or parameter at fault, if any
	Detail string // for people: what is wrong and what would be right
	Err    error  // the cause, if any
}

func (e *Error) Error() string {
	if e.Field != "" {
		return e.Field + ": " + e.Detail
	}
	return e.Detail
}

func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error of a kind without a field.
func Errorf(k Kind, format string, args ...any) *Error {
	return &Error{Kind: k, Detail: fmt.Sprintf(format, args...)}
}

// InvalidField makes an Invalid error about a field.
func InvalidField(field, format string, args ...any) *Error {
	return &Error{Kind: Invalid, Field: field, Detail: fmt.Sprintf(format, args...)}
}

// KindOf gives the kind of an error, Internal when it is not an Error.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}
