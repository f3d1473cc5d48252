//go:build mutation

package replica

import "os"

var active = mutation(os.Getenv("GRAPEVINE_MUTATION"))

func mutated(m mutation) bool { return m == active }
