package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// Setting is one setting of a node, in words.
type Setting struct {
	Name   string `json:"name"`   // of the flag, without its dashes, and in the file
	Value  string `json:"value"`  // in force; lists are joined by commas
	Source string `json:"source"` // default, flag, GRAPEVINE_NAME, or FILE:LINE
	Help   string `json:"help"`
}

// Settings gives all settings in the order of Config's fields, each with where its
// value came from. No setting is a secret itself: secrets are read from files that
// settings name.
func (c Config) Settings() []Setting {
	var out []Setting
	for _, f := range table() {
		out = append(out, Setting{f.name, f.text(c), c.origins[f.name].String(), f.help})
	}
	return out
}

// Annotated is the text of a file for --config with all settings at their defaults,
// commented out, each with its help.
func Annotated() string {
	var b strings.Builder
	b.WriteString("# Settings of a Grapevine node, for `grapevine node --config FILE`. The names are those of\n" +
		"# the flags. A flag goes before GRAPEVINE_NAME in the environment, which goes before this file.\n")
	for _, f := range table() {
		b.WriteString("\n")
		for _, line := range wrap(f.help, 92) {
			fmt.Fprintf(&b, "# %s\n", line)
		}
		value := f.initial
		if value == "" {
			value = f.placeholder
		}
		fmt.Fprintf(&b, "#%s: %s\n", f.name, f.literal(value))
	}
	return b.String()
}

// origin is where a value came from; the zero origin is the default.
type origin struct{ place string }

func (o origin) String() string {
	if o.place == "" {
		return "default"
	}
	return o.place
}

// where names a setting in the way in which it was given.
func (c Config) where(name string) string {
	switch o := c.origins[name]; {
	case o.place == "" || o.place == fromFlag:
		return "--" + name
	case strings.HasPrefix(o.place, envPrefix):
		return o.place
	default:
		return o.place + ": " + name
	}
}

const (
	fromFlag  = "flag"
	envPrefix = "GRAPEVINE_"
)

// field is a field of Config that is a setting.
type field struct {
	name, help, initial, placeholder string
	index                            int
	kind                             reflect.Type
}

// table lists the settings.
func table() []field {
	var out []field
	t := reflect.TypeFor[Config]()
	for i := range t.NumField() {
		f := t.Field(i)
		if name := f.Tag.Get("name"); name != "" {
			out = append(out, field{
				name: name, help: f.Tag.Get("help"), initial: f.Tag.Get("default"),
				placeholder: f.Tag.Get("placeholder"), index: i, kind: f.Type,
			})
		}
	}
	return out
}

// env is the name of the setting in the environment.
func (f field) env() string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(f.name, "-", "_"))
}

// text gives the setting's value in c.
func (f field) text(c Config) string {
	switch v := reflect.ValueOf(c).Field(f.index).Interface().(type) {
	case []string:
		return strings.Join(v, ",")
	default:
		return fmt.Sprint(v)
	}
}

// literal spells a value for the file.
func (f field) literal(value string) string {
	switch f.kind.Kind() {
	case reflect.Slice:
		return "[" + strconv.Quote(strings.TrimSuffix(value, ",…")) + "]"
	case reflect.String:
		return strconv.Quote(value)
	case reflect.Bool:
		return "false"
	}
	return value
}

// set reads values, one but for a list, into c. The error says what would be right.
func (f field) set(c *Config, values []string) error {
	at := reflect.ValueOf(c).Elem().Field(f.index)
	if f.kind.Kind() == reflect.Slice {
		at.Set(reflect.ValueOf(values))
		return nil
	}
	if len(values) != 1 {
		return fmt.Errorf("must be one value, not %d", len(values))
	}
	var err error
	switch value := values[0]; f.kind.Kind() {
	case reflect.String:
		at.SetString(value)
	case reflect.Bool:
		var b bool
		if b, err = strconv.ParseBool(value); err != nil {
			return fmt.Errorf("%q must be true or false", value)
		}
		at.SetBool(b)
	case reflect.Int:
		var n int64
		if n, err = strconv.ParseInt(value, 10, f.kind.Bits()); err != nil {
			return fmt.Errorf("%q must be a whole number", value)
		}
		at.SetInt(n)
	case reflect.Uint32:
		var n uint64
		if n, err = strconv.ParseUint(value, 10, f.kind.Bits()); err != nil {
			return fmt.Errorf("%q must be a whole number of 0 to %d", value, uint32(1<<32-1))
		}
		at.SetUint(n)
	}
	return nil
}

// wrap breaks a text into lines of at most most bytes where its words allow.
func wrap(text string, most int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > most {
			lines, line = append(lines, line), ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	return append(lines, line)
}
