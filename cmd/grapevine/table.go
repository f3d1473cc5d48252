package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/term"
)

// rows is a table before it is laid out.
type rows struct {
	head table.Row
	body []table.Row
	asIs bool // the head is not put in capitals: it holds ids
}

func (r *rows) add(cells ...any) { r.body = append(r.body, cells) }

func head(names ...any) *rows { return &rows{head: names} }

// show answers with v as JSON or with a table.
func (c *console) show(v any, r *rows) error {
	if c.json {
		return c.encode(v)
	}
	c.table(r)
	return nil
}

func (c *console) encode(v any) error {
	e := json.NewEncoder(c.out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// table writes columns: plain, so that other programs can read them, but for a
// bold head on a terminal.
func (c *console) table(r *rows) {
	w := table.NewWriter()
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft = ""
	style.Box.PaddingRight = "  "
	if style.Format.Header = text.FormatUpper; r.asIs {
		style.Format.Header = text.FormatDefault
	}
	if c.colour {
		style.Color.Header = text.Colors{text.Bold}
	}
	w.SetStyle(style)
	w.SuppressTrailingSpaces()
	w.AppendHeader(r.head)
	w.AppendRows(r.body)
	fmt.Fprintln(c.out, w.Render())
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
