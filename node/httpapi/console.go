package httpapi

import (
	"strings"

	"grapevine/node/console"
)

// consoleRoutes serve the console at /, and what it loads.
func (a *api) consoleRoutes() {
	files, err := console.New()
	if err != nil {
		panic(err) // they are embedded
	}
	for path, file := range files {
		if path == "/" {
			path = "/{$}"
		}
		a.mux.Handle("GET "+path, file)
	}
}

// isConsole says whether a request is for the console's files, which are served
// however busy the node is: an operator looks at it then above all.
func isConsole(path string) bool { return path == "/" || strings.HasPrefix(path, console.Prefix) }
