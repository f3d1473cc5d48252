//go:build !mutation

package replica

// mutated is always false in what is shipped, and costs nothing.
func mutated(mutation) bool { return false }
