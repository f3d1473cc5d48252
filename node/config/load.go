package config

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
)

// Flags makes the flags of all settings: a pointer to a struct with tags of kong,
// to be embedded in a command. Their values are kept as text, so that Load can
// report all mistakes together. None is read from the environment by kong.
func Flags() any {
	var fields []reflect.StructField
	for _, f := range table() {
		kind, help := reflect.TypeFor[*string](), f.help
		switch f.kind.Kind() {
		case reflect.Slice:
			kind = reflect.TypeFor[[]string]()
		case reflect.Bool:
			kind = reflect.TypeFor[*bool]()
		}
		if f.initial != "" {
			help += " (" + f.initial + ")"
		}
		help += " ($" + f.env() + ")"
		fields = append(fields, reflect.StructField{
			Name: "F" + fmt.Sprint(f.index), Type: kind,
			Tag: reflect.StructTag(fmt.Sprintf(`name:%q env:"-" placeholder:%q help:%q`, f.name, f.placeholder, help)),
		})
	}
	return reflect.New(reflect.StructOf(fields)).Interface()
}

// given gives what was given of Flags for a setting, and whether anything was.
func (f field) given(flags reflect.Value) ([]string, bool) {
	if !flags.IsValid() {
		return nil, false
	}
	at := flags.FieldByName("F" + fmt.Sprint(f.index))
	if at.IsNil() {
		return nil, false
	}
	if list, ok := at.Interface().([]string); ok {
		return list, true
	}
	return []string{fmt.Sprint(at.Elem().Interface())}, true
}

// Load makes a Config of the flags, which are those of Flags after kong has read
// the command line or nil, of the environment as os.LookupEnv tells it, and of a
// file unless its name is "". A flag goes before the environment, that before the
// file, and that before the default.
//
// The error is of everything that could not be read: each setting with where it
// was given and what would be right, joined with errors.Join. The mistakes of
// Verify are among them.
func Load(flags any, env func(string) (string, bool), file string) (Config, error) {
	c := Config{origins: map[string]origin{}}
	inFile, all := readFile(file)
	var given reflect.Value
	if flags != nil {
		given = reflect.ValueOf(flags).Elem()
	}
	for _, f := range table() {
		values, place := f.find(given, env, inFile)
		if values == nil {
			continue
		}
		c.origins[f.name] = origin{place}
		if err := f.set(&c, values); err != nil {
			all = append(all, fmt.Errorf("%s: %w", c.where(f.name), err))
			_ = f.set(&c, f.initially()) // so that one mistake is not reported twice
		}
	}
	return c, errors.Join(append(all, c.Verify())...)
}

// find gives the values of a setting from the best source that has any. A default
// has no place.
func (f field) find(flags reflect.Value, env func(string) (string, bool), file map[string]entry) (values []string, place string) {
	if values, ok := f.given(flags); ok {
		return values, fromFlag
	}
	if text, ok := env(f.env()); ok && text != "" {
		if f.kind.Kind() == reflect.Slice {
			return strings.Split(text, ","), f.env()
		}
		return []string{text}, f.env()
	}
	if e, ok := file[f.name]; ok {
		return e.values, e.place
	}
	return f.initially(), ""
}

// initially gives the default, nil when there is none.
func (f field) initially() []string {
	if f.initial == "" {
		return nil
	}
	return []string{f.initial}
}

// readFile reads the file of --config. Its errors are mistakes in single settings,
// or one for a file that cannot be read at all.
func readFile(path string) (map[string]entry, []error) {
	if path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, []error{fmt.Errorf("--config: %w", err)}
	}
	return parseFile(path, text)
}
