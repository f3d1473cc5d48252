package config

import (
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// entry is a setting as a file gives it.
type entry struct {
	values []string
	place  string // FILE:LINE
}

// parseFile reads the settings of a YAML mapping, or of the JSON object that is one.
func parseFile(path string, text []byte) (map[string]entry, []error) {
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return nil, []error{fmt.Errorf("--config: %s is not YAML: %s", path, strings.TrimPrefix(err.Error(), "yaml: "))}
	}
	if len(document.Content) == 0 {
		return nil, nil // nothing but comments
	}
	root := document.Content[0]
	if root.Kind != yaml.MappingNode {
		return nil, []error{fmt.Errorf("--config: %s must have lines of NAME: VALUE", path)}
	}
	out := map[string]entry{}
	var all []error
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		place := fmt.Sprintf("%s:%d", path, key.Line)
		values, err := valuesOf(value)
		switch _, twice := out[key.Value]; {
		case !isSetting(key.Value):
			err = fmt.Errorf("is no setting; did you mean %s?", nearest(key.Value))
		case twice:
			err = errors.New("is given a second time; keep one")
		}
		if err != nil {
			all = append(all, fmt.Errorf("%s: %s: %w", place, key.Value, err))
			continue
		}
		out[key.Value] = entry{values, place}
	}
	return out, all
}

// valuesOf gives the text of a scalar, or of the scalars of a list.
func valuesOf(n *yaml.Node) ([]string, error) {
	if n.Kind == yaml.ScalarNode && n.Tag != "!!null" {
		return []string{n.Value}, nil
	}
	if n.Kind != yaml.SequenceNode {
		return nil, errors.New("must have a value, or a list of values in [ ]")
	}
	out := []string{}
	for _, item := range n.Content {
		if item.Kind != yaml.ScalarNode || item.Tag == "!!null" {
			return nil, errors.New("must be a list of plain values")
		}
		out = append(out, item.Value)
	}
	return out, nil
}

func isSetting(name string) bool {
	for _, f := range table() {
		if f.name == name {
			return true
		}
	}
	return false
}

// nearest gives the setting whose name is the fewest changes away.
func nearest(name string) string {
	best, least := "", len(name)+100
	for _, f := range table() {
		if d := distance(name, f.name); d < least {
			best, least = f.name, d
		}
	}
	return best
}

// maxName bounds the bytes of a name whose distance is worth knowing.
const maxName = 64

// distance is how many bytes have to be put in, taken out, changed or swapped with
// the next to make b of a (optimal string alignment).
func distance(a, b string) int {
	a = a[:min(len(a), maxName)]
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := rows[i-1][j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			rows[i][j] = min(change, rows[i-1][j]+1, rows[i][j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
