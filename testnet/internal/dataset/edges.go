package dataset

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// edgePrefix begins the usernames of people read from edges.
const edgePrefix = "fb_"

// readEdges reads an undirected graph of people, `u v` a line with integer
// names. Both follow each other. Empty lines and lines that begin with # are
// passed over; a repeated edge counts once.
func readEdges(path string, _ int, _ func(string) bool) (*Dataset, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	d := &Dataset{Kind: "graph"}
	people := map[int]int{}
	seen := map[Follow]bool{}
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		u, v, err := parseEdge(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		a, b := d.person(people, u), d.person(people, v)
		if edge := (Follow{min(a, b), max(a, b)}); a != b && !seen[edge] {
			seen[edge] = true
			d.Follows = append(d.Follows, Follow{a, b}, Follow{b, a})
		}
	}
	return d, lines.Err()
}

func parseEdge(line string) (u, v int, err error) {
	fields := strings.Fields(line)
	if len(fields) != 2 {
		return 0, 0, fmt.Errorf("%q is not two numbers", line)
	}
	if u, err = strconv.Atoi(fields[0]); err == nil {
		v, err = strconv.Atoi(fields[1])
	}
	if err != nil || u < 0 || v < 0 {
		return 0, 0, fmt.Errorf("%q is not two numbers", line)
	}
	return u, v, nil
}

// person gives the index of the person of a number, making them at first sight.
func (d *Dataset) person(people map[int]int, number int) int {
	i, ok := people[number]
	if !ok {
		i = len(d.Users)
		people[number] = i
		d.Users = append(d.Users, User{
			Username:    edgePrefix + strconv.Itoa(number),
			DisplayName: fmt.Sprintf("person%04d", number),
		})
	}
	return i
}
